"""How many requests a list takes with several on their way: at most 1.25 times those of one after the other."""

import random

import pytest
from list_store import METHOD, Store, ids_of, read, shuffled

from b24batch.sandbox import Portal


def clusters(number, size, gap):
    """So many clusters of rows without gaps, and a gap behind each."""
    return [start * (size + gap) + n for start in range(number) for n in range(1, size + 1)]


def scattered(number, length, seed):
    """Clusters of different sizes at random places."""
    chance = random.Random(seed)
    starts = chance.sample(range(1, number * 1000, 1000), number)
    return sorted({start + n for start in starts for n in range(chance.randrange(1, length))})


#: The ids of lists, by what is peculiar about them.
SHAPES = {
    "none": [],
    **{f"{number} rows": range(1, number + 1) for number in (1, 49, 50, 51, 149, 400, 1000, 2500, 5000)},
    "every 7th": range(7, 35_000, 7),
    "at random": sorted(random.Random(1).sample(range(1, 9000), 3000)),
    "nearly dense": sorted(random.Random(2).sample(range(1, 5100), 5000)),
    "first half deleted": [1, *range(1500, 3001)],
    "last half deleted": [*range(1, 1501), 3000],
    "middle deleted": [*range(1, 2001), *range(6001, 8001)],
    "one row far behind": [*range(1, 3001), 10**7],
    "one row far ahead": [1, *range(10**7, 10**7 + 3000)],
    "few rows and one far behind": [*range(1, 301), 10**6],
    "one row in the middle": [*range(1, 1001), 50_000, *range(100_000, 101_001)],
    "small clusters": clusters(300, 10, 500),
    "clusters of two pages": clusters(30, 100, 5000),
    "clusters": clusters(10, 700, 50_000),
    "clusters of a request": clusters(3, 2500, 10**6),
    "scattered clusters": scattered(20, 400, 3),
    "more scattered clusters": scattered(60, 150, 4),
    "growing gaps": sorted({int(1.005**n) + n for n in range(3000)}),
    "growing gaps, a page is wider than the list before it": sorted({int(1.02**n) for n in range(1000)}),
    "shrinking gaps": sorted({10**6 - int(1.005**n) - n for n in range(2500)}),
}
#: In which order requests finish: the last first, the first first, or any.
ORDERS = {"last": lambda _number: -1, "first": lambda _number: 0, "any": random.Random(7).randrange}


def requests_of(store, most, order, **options):
    """Read a store on lanes that finish in an order; return the rows and the number of requests."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        pages = shuffled(b24, most, ORDERS[order], **options)
        return ids_of(row for page in pages for row in page), len(portal.requests)


@pytest.mark.slow
@pytest.mark.parametrize("counts", [True, False], ids=["counted", "not counted"])
@pytest.mark.parametrize("shape", SHAPES)
def test_few_more_requests(shape, counts):
    """Wherever the rows are and whatever finishes first: at most 1.25 times the requests of one after the other."""
    ids = list(SHAPES[shape])
    _, in_turn = read(Store(ids, counts=counts), 1)
    for most, order in ((2, "any"), (4, "last"), (8, "first"), (16, "any")):
        found, requests = requests_of(Store(ids, counts=counts), most, order)
        assert found == ids
        assert requests <= 1.25 * in_turn


def test_clusters_that_are_not_counted():
    """The same for a shape that needs the estimate of what is between the single pages of the survey."""
    ids = SHAPES["clusters of two pages"]
    _, in_turn = read(Store(ids, counts=False), 1)
    found, requests = requests_of(Store(ids, counts=False), 8, "first")
    assert found == ids
    assert requests <= 1.25 * in_turn


@pytest.mark.slow
@pytest.mark.parametrize("pages", [1, 2, 9])
@pytest.mark.parametrize("shape", ["1000 rows", "last half deleted", "clusters of two pages", "growing gaps"])
def test_small_requests(shape, pages):
    """The same with few pages in a request."""
    ids = list(SHAPES[shape])
    _, in_turn = read(Store(ids), 1, pages_per_request=pages)
    found, requests = requests_of(Store(ids), 4, "any", pages=pages, descending=True)
    assert found == ids[::-1]
    assert requests <= 1.25 * in_turn


@pytest.mark.parametrize("pages", [1, 2])
def test_no_more_pages_than_allowed(pages):
    """No request has more pages than `pages_per_request`, those included that only tell where the rows are."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(Store(SHAPES["small clusters"]))
        assert sum(map(len, shuffled(b24, 8, ORDERS["first"], pages=pages))) == 3000
        assert max(len(request.params.get("cmd", [METHOD])) for request in portal.requests) == pages


@pytest.mark.parametrize(("most", "requests"), [(2, 3), (4, 5), (8, 8)])
def test_a_dense_list_is_not_surveyed(most, requests):
    """Where the count shows that no ids are missing, all requests but the first read a piece, and no page twice."""
    store = Store(range(1, 5001))
    assert requests_of(store, most, "last") == (store.ids, requests)
    assert store.pages <= 102

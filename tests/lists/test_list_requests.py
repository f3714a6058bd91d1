"""How many requests a list takes with several on their way: at most 1.25 times those of one after the other."""

import random

import pytest
from drawing import drawn
from hypothesis import given
from hypothesis import strategies as st
from list_store import METHOD, Store, cost_of, ids_of, read, shuffled, sizes_of

from b24batch.sandbox import FakeClock, Portal


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


#: Parts of a list: the ids that are missing before it, the distance between its ids, and the number of its rows.
PARTS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 7, 200, 5000, 10**5, 10**7]),
        st.sampled_from([1, 1, 2, 3, 40]),
        st.integers(1, 500) | st.sampled_from([1, 49, 50, 51, 450, 500]),
    ),
    max_size=5,
)
#: Lists that need all of the budget: such parts, the pages of a request, and whether the rows are counted.
TIGHT = [
    ([(0, 1, 60), (10**6, 1, 60)], 50, False),
    ([(0, 2, 50), (0, 1, 49), (0, 40, 100), (5000, 2, 100), (10**7, 1, 42)], 50, False),
    ([(10**5, 1, 100), (7, 40, 1), (7, 3, 100)], 2, True),
    ([(5000, 40, 49), (7, 40, 100), (10**7, 1, 1500)], 50, True),
]

#: A list of which several pieces end with a full page, if a request has 9.
FULL_PAGES = [
    *[(0, 1, 50), (2500, 1, 500), (2499, 1, 1001), (2500, 1, 1), (2999, 1, 1), (0, 6, 449), (305, 1, 500)],
    *[(4999, 1, 502), (0, 13, 216)],
]

#: What lists cost: such parts, whether the rows are counted, requests at once, pages in a request, whether descending,
#: and the seconds of a page; then the number of requests, of pages, and of seconds.
COSTS = [
    ([(10000000, 3, 1), (100000, 1, 49), (0, 1, 609), (0, 1, 49), (7, 40, 1)], True, 8, 50, False, 0.01, (5, 22, 3.14)),
    ([(10000000, 1, 51), (0, 1, 51), (200, 2, 50), (0, 1, 1500)], True, 2, 5, False, 0.01, (10, 37, 7.25)),
    (
        [(200, 40, 27), (0, 3, 51), (200, 2, 50), (10000000, 1, 1500), (7, 1, 49)],
        True,
        8,
        50,
        True,
        0.01,
        (4, 46, 3.44),
    ),
    ([(5000, 1, 406), (10000000, 3, 450), (7, 1, 500), (200, 1, 51)], False, 4, 1, False, 2.0, (32, 32, 60.0)),
    ([(10000000, 1, 447), (0, 1, 680)], False, 8, 20, False, 0.6, (3, 39, 26.4)),
    ([(5000, 1, 72), (10000000, 40, 500), (5000, 3, 50), (7, 1, 50)], True, 4, 2, False, 0.01, (8, 16, 8.16)),
    ([(10000000, 3, 178), (10000000, 1, 882)], True, 4, 12, False, 2.0, (6, 31, 39.0)),
    ([(0, 40, 50)], True, 2, 9, False, 2.0, (2, 3, 8.0)),
    ([(0, 1, 51)], False, 4, 9, False, 0.01, (2, 4, 2.04)),
    ([(0, 40, 51), (100000, 3, 1185), (7, 2, 450)], True, 2, 1, False, 2.0, (36, 36, 72.0)),
    ([(0, 2, 1500)], False, 8, 5, True, 0.01, (7, 32, 6.27)),
    ([(0, 3, 450), (7, 1, 49)], True, 2, 50, False, 0.6, (5, 14, 10.0)),
    ([(0, 1, 1), (7, 2, 577), (100000, 1, 1011)], False, 2, 12, False, 2.0, (7, 58, 102.0)),
    ([(7, 1, 450), (0, 40, 50)], True, 3, 2, False, 0.6, (6, 12, 13.2)),
    ([(0, 1, 810), (5000, 1, 51)], True, 8, 50, False, 2.0, (5, 26, 41.0)),
    ([(0, 7, 1200)], True, 16, 50, False, 0.01, (6, 26, 3.11)),
    ([(0, 1, 200)], True, 4, 50, False, 30.0, (5, 6, 185.0)),
    ([(0, 1, 1), (10000000, 1, 3000)], True, 8, 50, False, 0.01, (6, 62, 2.22)),
    ([(0, 7, 5000)], False, 8, 50, False, 0.01, (6, 119, 4.54)),
    (
        [(7, 1, 1), (10000000, 3, 50), (200, 1, 50), (10000000, 2, 100), (0, 2, 450), (0, 2, 500)],
        True,
        2,
        9,
        False,
        0.01,
        (6, 28, 5.27),
    ),
    ([(7, 1, 1500)], True, 2, 3, False, 0.01, (12, 32, 8.2)),
    ([(5000, 2, 100), (100000, 1, 1500)], False, 8, 50, False, 1.3, (5, 37, 44.3)),
    (
        [(0, 40, 49), (5000, 3, 49), (5000, 1, 1500), (5000, 1, 100), (7, 1, 50), (5000, 2, 51)],
        True,
        8,
        50,
        False,
        0.6,
        (7, 49, 22.8),
    ),
]


def requests_of(store, most, order, **options):
    """Read a store on lanes that finish in an order; return the rows and the number of requests."""
    return requests_picked(store, most, ORDERS[order], **options)


def requests_picked(store, most, pick, **options):
    """The same, where `pick` says which request finishes next."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        pages = shuffled(b24, most, pick, **options)
        return ids_of(row for page in pages for row in page), len(portal.requests)


def check_requests(ids, counts, most, pick, pages):
    """Check that a list is read whole, with at most 1.25 times the requests of one after the other."""
    _, in_turn = read(Store(ids, counts=counts), 1, pages_per_request=pages)
    found, requests = requests_picked(Store(ids, counts=counts), most, pick, pages=pages)
    assert found == ids
    assert requests <= 1.25 * in_turn


def joined(parts):
    """The ids of a list of such parts."""
    ids, last = [], 0
    for missing, step, rows in parts:
        ids += range(last + missing + step, last + missing + step * rows + 1, step)
        last += missing + step * rows
    return ids


@pytest.mark.slow
@drawn(200)
@given(
    parts=PARTS,
    counts=st.booleans(),
    most=st.integers(2, 16),
    pages=st.sampled_from([50, 50, 9, 2]),
    order=st.randoms(use_true_random=False),
)
def test_at_most_a_quarter_more(parts, counts, most, pages, order):
    """Whatever the list: never more than 1.25 times the requests of one after the other, also if nothing is counted."""
    check_requests(joined(parts), counts, most, order.randrange, pages)


@pytest.mark.parametrize("order", ["last", "first"])
@pytest.mark.parametrize(("parts", "pages", "counts"), TIGHT)
def test_no_request_beyond_the_budget(parts, pages, counts, order):
    """The same for lists that would take one request too many if the budget had one more."""
    for most in (4, 16):
        check_requests(joined(parts), counts, most, ORDERS[order], pages)


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
    """The same for a shape that needs the estimate of how far a page reaches."""
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


@pytest.mark.parametrize("counts", [True, False], ids=["counted", "not counted"])
def test_rows_added_at_the_end_come_in_growing_requests(counts):
    """Behind the last id that was known, each request has twice as many pages as the one before."""
    found, requests = requests_of(Store(range(1, 301), [(5, (), 2000)], counts), 4, "last")
    assert found == [*range(1, 2301)]
    assert requests <= 7


@pytest.mark.slow
@pytest.mark.parametrize(("step", "requests"), [(2, 10), (3, 10), (10, 10)])
def test_evenly_missing_ids_take_full_requests(step, requests):
    """Two requests show where the rows are, and each other one is full, also if more might be on their way."""
    store = Store(range(step, 20_000 * step + 1, step))
    assert requests_of(store, 16, "last") == (store.ids, requests)
    assert store.pages <= 408


@pytest.mark.slow
@pytest.mark.parametrize(("parts", "most", "pages"), [([(0, 2, 20_454)], 8, 50), (FULL_PAGES, 4, 9)])
def test_a_counted_list_whose_pieces_end_with_a_full_page(parts, most, pages):
    """That such a piece is read to its end shows only in one more page, which the budget has."""
    check_requests(joined(parts), True, most, ORDERS["last"], pages)


@pytest.mark.parametrize("pages", [1, 2])
def test_no_more_pages_than_allowed(pages):
    """No request has more pages than `pages_per_request`, those included that only tell where the rows are."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(Store(SHAPES["small clusters"]))
        assert sum(map(len, shuffled(b24, 8, ORDERS["first"], pages=pages))) == 3000
        assert max(len(request.params.get("cmd", [METHOD])) for request in portal.requests) == pages


def test_pages_that_are_slow():
    """No request is given more pages than the portal answers in 20 seconds, as the requests before it tell."""
    clock, store = FakeClock(), Store(range(1, 5001))

    def answer_slowly(params):
        clock.advance(2.0)
        return store(params)

    with Portal(clock) as portal, portal.session() as b24:
        portal.method(METHOD)(answer_slowly)
        assert sum(map(len, shuffled(b24, 8, ORDERS["first"]))) == 5000
        assert [len(request.params["cmd"]) for request in portal.requests] == [2, *[10] * 10]


def test_pages_that_take_too_long():
    """If a page takes longer than a request may, the requests after it have one page each."""
    assert sizes_of(Store(range(1, 3001)), "cursor", seconds=21.0)[-4:] == [1, 1, 1, 1]


@pytest.mark.parametrize(("most", "requests"), [(2, 3), (4, 5), (8, 8)])
def test_a_dense_list_is_not_surveyed(most, requests):
    """Where the count shows that no ids are missing, all requests but the first read a piece, and no page twice."""
    store = Store(range(1, 5001))
    assert requests_of(store, most, "last") == (store.ids, requests)
    assert store.pages <= 102


@pytest.mark.parametrize(("parts", "counts", "most", "pages", "descending", "seconds", "cost"), COSTS)
def test_what_a_list_costs(parts, counts, most, pages, descending, seconds, cost):
    """How many requests, pages and seconds a list takes if a request takes a second more than its pages."""
    store = Store(joined(parts), counts=counts)
    found, taken = cost_of(store, most, seconds, pages=pages, descending=descending)
    assert found == sorted(store.ids, reverse=descending)
    assert taken == cost


def test_pages_that_do_not_fit_into_a_batch():
    """Where a batch would change the params, each page is a request, with several of them at once."""
    found, cost = cost_of(Store(range(1, 1001)), 4, 0.01, params={"filter": {"STAGE": []}})
    assert found == list(range(1, 1001))
    assert cost == cost_of(Store(range(1, 1001)), 4, 0.01, pages=1)[1]

"""Lists with several requests on their way at once: every row once, in order, none missing."""

import random
import threading

import pytest
from drawing import drawn, some
from hypothesis import given
from hypothesis import strategies as st
from list_model import ROWS, Model
from list_store import (
    METHOD,
    Store,
    ids_of,
    is_silent,
    lanes,
    one_and_half,
    read,
    read_timed,
    rows_of,
    shuffled,
    waits_of,
)

from b24batch import (
    AjaxError,
    AnswerLost,
    CursorStalled,
    OperatingLimitExceeded,
    UnexpectedAnswer,
    UsageError,
)
from b24batch.sandbox import FakeClock, Page, Portal, PortalError

CURSOR = [row for row in ROWS if row["paging"] == "cursor"]


@st.composite
def stores(draw):
    """Stores of up to 3,000 rows with gaps, of which some are deleted and others added while they are read."""
    ids = set(range(1, draw(st.integers(0, 3000)) + 1))
    for first, length in draw(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 1500)), max_size=4)):
        ids -= set(range(first, first + length))
    wide = draw(st.sampled_from([1, 1, 7]))
    ids = {row_id * wide for row_id in ids}
    first, length = st.integers(0, 3000 * wide), st.integers(0, 500 * wide)
    change = st.tuples(st.integers(0, 60), st.builds(lambda at, size: range(at, at + size), first, length))
    changes = draw(st.lists(st.tuples(change, st.integers(0, 120)), max_size=5))
    counts = draw(st.booleans())
    return Store(ids, [(after, deleted, added) for (after, deleted), added in changes], counts)


@drawn(150)
@given(
    store=stores(),
    concurrency=st.sampled_from([2, 3, 4, 8, 16]),
    pages=st.sampled_from([50, 50, 1, 2, 9]),
    descending=st.booleans(),
)
def test_each_row_exactly_once(store, concurrency, pages, descending):
    """A row that existed throughout comes exactly once, in order, and none comes that was never there."""
    found, _ = read(store, concurrency, pages_per_request=pages, descending=descending)
    assert found == sorted(set(found), reverse=descending)
    assert store.kept <= set(found) <= store.ever


@pytest.mark.slow
@drawn(150)
@given(
    store=stores(),
    most=st.integers(2, 16),
    pages=st.sampled_from([50, 50, 1, 2, 9]),
    descending=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_whatever_finishes_first(store, most, pages, descending, order):
    """The same, in whatever order the requests finish."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        read = shuffled(b24, most, order.randrange, descending=descending, pages=pages)
        found = ids_of(row for page in read for row in page)
    assert found == sorted(set(found), reverse=descending)
    assert store.kept <= set(found) <= store.ever


@drawn(60)
@given(
    row=st.sampled_from(CURSOR),
    number=st.integers(0, 1200) | st.sampled_from([50, 100, 1000]),
    hidden=st.sets(st.integers(1, 1200), max_size=200),
    pages=st.sampled_from([50, 1, 5]),
    concurrency=st.integers(2, 8),
)
def test_every_documented_method(row, number, hidden, pages, concurrency):
    """Whatever pages by cursor is read to its end, also if permissions thin its pages."""
    model = Model(row, number, hidden if row["thinned"] == "yes" else ())
    with Portal(record=False) as portal, portal.session() as b24:
        portal.method(row["method"])(model)
        found = b24.call_list(row["method"], pages_per_request=pages, concurrency=concurrency)
    assert [item["N"] for item in found] == model.expected


@pytest.mark.slow
def test_lanes_share_the_work():
    """Several requests are on their way at once, and never more than allowed."""
    seen = set()

    class Spy(Store):
        def __call__(self, params):
            seen.update(lanes())
            return super().__call__(params)

    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(Spy(range(1, 20_001)))
        portal.fail_next(threading.Barrier(4, timeout=20.0).wait, times=4, after=1)
        assert ids_of(b24.call_list(METHOD, concurrency=4)) == list(range(1, 20_001))
    assert seen == {f"b24batch-{n}" for n in range(1, 5)}


def test_one_request_at_a_time_starts_no_thread():
    """concurrency=1 sends the same requests as ever, on the caller's thread."""
    seen = set()

    class Spy(Store):
        def __call__(self, params):
            seen.update(lanes())
            return super().__call__(params)

    plain, one = Spy(range(1, 500)), Spy(range(1, 500))
    assert read(plain, None) == read(one, 1)
    assert plain.pages == one.pages
    assert not seen


@pytest.mark.parametrize("options", [{"limit": 120}, {"id_key": "OTHER", "cursor_id_key": "ID"}])
def test_read_in_turn(options):
    """A list with a limit, or with an id that is not in the table is read one request at a time."""

    def method(params):
        assert not lanes()
        return [{**row, "OTHER": row["ID"]} for row in rows_of(range(1, 40))]

    with Portal() as portal, portal.session(concurrency=8) as b24:
        portal.method(METHOD)(method)
        try:
            found = len(b24.call_list(METHOD, **options))
        except (CursorStalled, UnexpectedAnswer):
            found = 39  # the method ignores the cursor, which is found out
        assert found == 39


def test_conditions_of_your_own():
    """Your own conditions by id hold in every piece."""
    found, _ = read(Store(range(1, 5001)), 8, params={"filter": {">ID": 700, "<ID": 4201}})
    assert found == list(range(701, 4201))


def test_option_of_the_session():
    """The session's option is the default; 17 is refused before anything is sent."""
    store = Store(range(1, 3001))
    with Portal() as portal, portal.session(concurrency=8) as b24:
        portal.method(METHOD)(store)
        assert ids_of(b24.call_list(METHOD)) == store.ids
        sent = len(portal.requests)
        with pytest.raises(UsageError, match="concurrency"):
            b24.fetch_list(METHOD, concurrency=17)
        assert len(portal.requests) == sent
    assert is_silent()


@pytest.mark.slow
@pytest.mark.parametrize("wide", [1, 7])
@pytest.mark.parametrize("pick", [lambda _number: -1, lambda _number: 0])
def test_pages_are_read_no_further_ahead(pick, wide):
    """fetch_list keeps the rows of as many requests as are on their way at once, also if the first one is the last."""
    store, got, most = Store(range(1, 20_000 * wide, wide)), 0, 4
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        for page in shuffled(b24, most, pick):
            got += len(page)
            assert store.pages * 50 - got <= most * 2500 + (most + 2) * 50 + got * 0.05
    assert got == len(store.ids)


def test_a_loop_that_ends_early():
    """After a break nothing more is sent, and no lane is left."""
    store = Store(range(1, 20_001))
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        pages = b24.fetch_list(METHOD, concurrency=4)
        assert ids_of(next(pages)) == list(range(1, 51))
        pages.close()
        assert is_silent()
        sent = len(portal.requests)
        assert list(pages) == []
        assert len(portal.requests) == sent


def test_an_error_keeps_the_rows_before_it():
    """If a page fails, its error is raised; the rows before it are in order and without a gap."""
    store = Store(range(1, 20_001))

    def failing(params):
        page = store(params)
        if any(int(row["ID"]) > 12_000 for row in page.rows) and store.pages > 12:
            raise PortalError("ERROR_CORE", "no")
        return page

    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(failing)
        with pytest.raises(AjaxError) as caught:
            b24.call_list(METHOD, concurrency=4)
    found = ids_of(caught.value.result)
    assert found == list(range(1, len(found) + 1))
    assert is_silent()


def test_used_up_operating_time():
    """All lanes hold while the method has no operating time left; then the list goes on."""
    clock = FakeClock()
    store = Store(range(1, 20_001))
    waits = []
    with Portal(clock, operating_limit=480) as portal:
        portal.method(METHOD)(store)
        portal.cost(METHOD, 3.0)
        with portal.session(clock=clock, on_wait=waits.append) as b24:
            found = ids_of(b24.call_list(METHOD, concurrency=4))
    assert found == store.ids
    assert {wait.reason for wait in waits} == {"operating"}


def test_operating_time_that_takes_too_long():
    """If the wait would be longer than max_wait, the list ends with the error, and has the rows so far."""
    clock = FakeClock()
    with Portal(clock, operating_limit=480) as portal:
        portal.method(METHOD)(Store(range(1, 20_001)))
        portal.cost(METHOD, 3.0)
        with (
            portal.session(clock=clock, max_wait=1.0) as b24,
            pytest.raises(OperatingLimitExceeded) as caught,
        ):
            b24.call_list(METHOD, concurrency=4)
    found = ids_of(caught.value.result)
    assert found == list(range(1, len(found) + 1))


def test_interrupted():
    """Ctrl-C ends the list: its rows so far are in order and without a gap, and no lane is left."""

    def interrupt(_wait):
        assert threading.current_thread() is threading.main_thread()
        raise KeyboardInterrupt

    clock = FakeClock()
    with Portal(clock, operating_limit=480) as portal:
        portal.method(METHOD)(Store(range(1, 20_001)))
        portal.cost(METHOD, 3.0)
        with portal.session(clock=clock, on_wait=interrupt) as b24, pytest.raises(KeyboardInterrupt) as caught:
            b24.call_list(METHOD, concurrency=4)
    found = ids_of(caught.value.result)
    assert found == list(range(1, len(found) + 1))
    assert is_silent()


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_several_pages_that_crash(after):
    """If several pages of one request crash the method, one page, and requests half as large, read the list."""
    sizes, found = read_timed(Store(range(1, 3001)), "cursor", faults={after})
    assert found == list(range(1, 3001))
    assert one_and_half(sizes, after)


def test_one_page_after_a_crash_is_not_sent_again():
    """The page that is requested alone after a crash is not sent again if its answer is lost, though it only reads."""
    with pytest.raises(AnswerLost):
        read_timed(Store(range(1, 3001)), "cursor", faults={1, 2, 6}, attempts=2)


def test_operating_time_that_is_used_up_again():
    """After a page came, the next wait for operating time is a new one; without a page the waits are added up."""
    store = Store(range(1, 3001))
    assert waits_of(store, "cursor", blocked=[1, 2, 4, 5]) == [2, 3, 2]
    with pytest.raises(OperatingLimitExceeded) as caught:
        waits_of(store, "cursor", blocked=range(2, 400))
    assert caught.value.result == []


@pytest.mark.parametrize("descending", [False, True])
def test_a_portal_that_ignores_the_filter(descending):
    """A method that returns its first page again is found out."""
    ids = list(range(1, 51)) if not descending else list(range(50, 0, -1))
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(lambda params: rows_of(ids if params["order"]["ID"] != "?" else []))
        with pytest.raises(CursorStalled):
            b24.call_list(METHOD, concurrency=4, descending=descending)
    assert is_silent()


def test_ids_that_are_not_numbers():
    """Rows whose ids are not numbers are refused, as ever."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(lambda _params: [{"ID": f"x{n}"} for n in range(50)])
        with pytest.raises(UnexpectedAnswer, match="numbers"):
            b24.call_list(METHOD, concurrency=4)


@pytest.mark.parametrize("seed", some(range(5)))
@pytest.mark.parametrize("total", [0, 1, 60, 10**6])
def test_a_total_that_is_wrong(total, seed):
    """What the portal counts only decides what is read when: a wrong total costs few requests, and no row."""
    store = Store(range(1, 5001))
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(lambda params: Page(store(params).rows, total=total if params.start >= 0 else None))
        found = ids_of(row for page in shuffled(b24, 4, random.Random(seed).randrange) for row in page)
        assert len(portal.requests) <= 2 * 7
    assert found == store.ids


@pytest.mark.parametrize("uncounted", range(1, 5))
def test_a_total_that_is_missing_once(uncounted):
    """An answer in which the portal counts nothing, among others in which it does, costs no row."""
    store, counted = Store(range(1, 15_001, 3)), []

    def once(params):
        page = store(params)
        counted.extend([page.total] if page.total is not None else [])
        return Page(page.rows, total=None if len(counted) == uncounted else page.total)

    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(once)
        assert ids_of(row for page in shuffled(b24, 4, lambda waiting: 0) for row in page) == store.ids
    assert len(counted) >= uncounted


@pytest.mark.parametrize("place", range(5))
def test_a_short_page_in_the_middle(place):
    """A short page is not taken for the end while rows are known to follow it."""
    store = Store(range(1, 3001))

    def thinned(params):
        page = store(params)
        return Page(page.rows[:37], total=page.total) if store.pages % 5 == place else page

    found, _ = read(thinned, 4)
    assert found == store.ids


def test_a_portal_without_rows_from_the_other_end():
    """A list whose last page comes empty is read in turn; the last page is not asked for again."""
    store = Store(range(1, 1001))
    assert read(lambda params: store(params) if params["order"]["ID"] == "ASC" else [], 4) == (store.ids, 2)

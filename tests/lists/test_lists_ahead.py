"""Lists by start with several requests on their way at once: what one request after the other returns, and no less."""

import random
import sys
import threading

import list_store
import pytest
from drawing import drawn, some
from hypothesis import given
from hypothesis import strategies as st
from list_model import ROWS, Model
from list_store import cost_of, one_and_half, read_on, read_timed, sizes_of, waits_of

from b24batch import AjaxError, AuthError, Command, OperatingLimitExceeded, RetryPolicy, SdkError
from b24batch.lists.concurrent_listing import listing_of
from b24batch.lists.families import find_family
from b24batch.lists.listing import way_through
from b24batch.runs.lanes import Lanes, Sending
from b24batch.sandbox import FakeClock, Page, Portal, PortalError

METHOD = "crm.deal.list"
MODULES = {
    "ahead.py",
    "budget.py",
    "packed.py",
    "pieces.py",
    "piece.py",
    "survey.py",
    "offsets.py",
    "repeats.py",
    "pages.py",
}
#: What lists cost: their rows, requests at once, pages in a request, the seconds of a page, and the limit; then the
#: number of requests, of pages, and of seconds.
COSTS = [
    (1500, 8, 9, 0.01, 1000, (6, 20, 2.05)),
    (1500, 8, 50, 0.01, None, (6, 30, 2.07)),
    (700, 2, 50, 0.01, None, (5, 14, 5.14)),
    (1500, 4, 9, 0.01, None, (7, 30, 4.12)),
    (700, 8, 50, 0.6, None, (5, 14, 5.0)),
    (1500, 16, 50, 2.0, None, (6, 30, 16.0)),
    (120, 3, 1, 0.01, None, (3, 3, 2.02)),
    (1500, 8, 50, 0.01, 120, (2, 3, 2.03)),
    (1500, 4, 5, 0.01, None, (10, 30, 5.11)),
    (0, 4, 50, 0.01, None, (1, 1, 1.01)),
    (51, 4, 50, 0.01, None, (2, 2, 2.02)),
    (200, 4, 50, 30.0, None, (4, 4, 62.0)),
    (1500, 3, 50, 2.0, None, (6, 30, 36.0)),
]
START = [row for row in ROWS if row["paging"] == "start"]


class Counted:
    """The rows of a method that pages by start; `changes` adds rows at the front before its n-th page, or deletes."""

    def __init__(self, number, changes=(), key="ID"):
        self.ids, self.changes, self.key = list(range(1, number + 1)), dict(changes), key
        self.kept, self.new, self.starts, self.lock = set(self.ids), 0, [], threading.Lock()

    def __call__(self, params):
        with self.lock:
            self.change(self.changes.get(len(self.starts), 0))
            start = params.start
            self.starts.append(start)
            following = start + 50 if start + 50 < len(self.ids) else None
            return Page([{self.key: str(n)} for n in self.ids[start : start + 50]], following, len(self.ids))

    def change(self, number):
        for _ in range(number):
            self.new -= 1
            self.ids.insert(0, self.new)
        self.kept -= set(self.ids[:-number]) if number < 0 else set()
        del self.ids[: max(0, -number)]


class Shuffled(Lanes):
    """Lanes without threads: a request is executed, and lands, when `pick` says so."""

    def __init__(self, most, pick):
        super().__init__(most, FakeClock(), None)
        self.pick, self.waiting = pick, []

    def reserve(self, on_way):
        assert on_way == len(self.waiting) < self.most

    def start(self, send):
        self.waiting.append(Sending(self, send))
        return self.waiting[-1]

    def finish_next(self, until):
        sending = self.waiting.pop(self.pick(len(self.waiting)))
        sending.run()
        return sending

    def stop(self, on_way):
        for sending in on_way:
            sending.run()


def shuffled(b24, most, pick, *, limit=None, pages=50, method=METHOD, paging="start"):
    """The rows of a list that is read on such lanes."""
    family = find_family(method, None, None, None)
    way = way_through(Command(method), family, paging, cursor_id_key=None, descending=False)
    requests = b24._requests(None)
    options = {"repeatable": True, "pages_per_request": pages, "left": limit}
    listing = listing_of(requests, way, Shuffled(most, pick), **options)
    rows = []
    try:
        for page in listing.pages():
            rows += page
    except KeyboardInterrupt as interrupt:
        vars(interrupt)["result"] = rows + vars(interrupt)["result"]
        raise
    return rows


def read(method, concurrency, **options):
    """The rows that are read, and the number of requests."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(method)
        return b24.call_list(METHOD, paging="start", concurrency=concurrency, **options), len(portal.requests)


def ids_of(rows):
    return [int(row["ID"]) for row in rows]


@pytest.mark.slow
@drawn(150)
@given(
    number=st.integers(0, 3000) | st.sampled_from([50, 100, 1000]),
    added=st.dictionaries(st.integers(0, 60), st.integers(1, 12), max_size=4),
    most=st.integers(2, 16),
    pages=st.sampled_from([50, 50, 1, 2, 9]),
    order=st.randoms(use_true_random=False),
)
def test_rows_that_are_added(number, added, most, pages, order):
    """In whatever order requests are executed, no row is missed and none doubled, though rows are added in front."""
    store = Counted(number, added)
    with Portal(record=False) as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        found = ids_of(shuffled(b24, most, order.randrange, pages=pages))
    assert len(found) == len(set(found))
    assert store.kept <= set(found)


def test_a_page_from_before_rows_were_added():
    """A page that was executed before rows were added in front is void if the page before it was executed after."""
    for when in range(1, 12):
        store = Counted(500, {when: 20})
        with Portal(record=False) as portal, portal.session() as b24:
            portal.method(METHOD)(store)
            found = ids_of(shuffled(b24, 4, lambda waiting: waiting - 1, pages=1))
        assert len(found) == len(set(found))
        assert store.kept <= set(found), when


@drawn(60)
@given(
    row=st.sampled_from(START),
    number=st.integers(0, 1200) | st.sampled_from([20, 50, 100, 1000]),
    hidden=st.sets(st.integers(1, 1200), max_size=200),
    pages=st.sampled_from([50, 1, 5]),
    most=st.integers(2, 8),
    order=st.randoms(use_true_random=False),
)
def test_every_documented_method(row, number, hidden, pages, most, order):
    """Whatever pages by start is read to its end, also if permissions thin its pages."""
    model = Model(row, number, hidden if row["thinned"] == "yes" else ())
    with Portal(record=False) as portal, portal.session() as b24:
        portal.method(row["method"])(model)
        found = shuffled(b24, most, order.randrange, pages=pages, method=row["method"])
    assert [item["N"] if isinstance(item, dict) else item for item in found] == model.expected


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 49, 50, 51, 1000, 3000, 20_000])
def test_few_more_requests(number):
    """The rows are those of one request after the other, in order, with at most 1.25 times the requests."""
    plain, in_turn = read(Counted(number), 1)
    for concurrency in some([2, 4, 8, 16], share=2):
        found, requests = read(Counted(number), concurrency)
        assert found == plain, concurrency
        assert requests <= 1.25 * in_turn, concurrency


def test_a_page_that_is_not_full():
    """After a page with which `next` goes on by fewer rows the requests grow again."""

    class Thinned(Counted):
        def __call__(self, params):
            page = super().__call__(params)
            return Page(page.rows[:30], 130, page.total) if params.start == 100 else page

    (plain, in_turn), (found, requests) = (read(Thinned(10_000), concurrency) for concurrency in (1, 2))
    assert found == plain
    assert requests <= 1.25 * in_turn


@pytest.mark.parametrize(("number", "most", "pages", "seconds", "limit", "cost"), COSTS)
def test_what_a_list_costs(number, most, pages, seconds, limit, cost):
    """How many requests, pages and seconds a list takes if a request takes a second more than its pages."""
    store = Counted(number)
    found, taken = cost_of(store, most, seconds, pages=pages, paging="start", limit=limit)
    assert found == store.ids[:limit]
    assert taken == cost


@pytest.mark.parametrize("concurrency", [1, 4])
def test_pages_that_do_not_fit_into_a_batch(concurrency):
    """Where a batch would change the params, the pages are requested one by one, none of them left out."""
    store = Counted(420)
    found, requests = read(store, concurrency, params={"filter": {"STAGE": []}})
    assert ids_of(found) == store.ids
    assert requests == 9


def test_pages_that_take_too_long():
    """If a page takes longer than a request may, the requests after it have one page each."""
    assert sizes_of(Counted(3000), "start", seconds=21.0)[-4:] == [1, 1, 1, 1]


def lanes():
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("b24batch-")}


def test_lanes_share_the_work():
    """Several requests are on their way at once, and no lane is left."""
    seen = set()

    class Spy(Counted):
        def __call__(self, params):
            seen.update(lanes())
            return super().__call__(params)

    store = Spy(20_000)
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        portal.fail_next(threading.Barrier(2, timeout=20.0).wait, times=2, after=1)
        assert ids_of(b24.call_list(METHOD, paging="start", concurrency=4)) == store.ids
    assert seen <= {f"b24batch-{n}" for n in range(1, 5)}
    assert not lanes()


@pytest.mark.parametrize("limit", [1, 50, 51, 120, 1000, 2999, 5000])
def test_a_limit(limit):
    """With a limit no page is requested that is not needed."""
    store = Counted(3000)
    found, _ = read(store, 8, limit=limit)
    assert ids_of(found) == store.ids[:limit]
    assert sorted(store.starts) == list(range(0, min(limit, 3000), 50))


@pytest.mark.parametrize("total", [None, 0, 60, 1000, 10**6])
def test_a_total_that_is_missing_or_wrong(total):
    """What the portal counts only decides how far ahead is read: all rows come to which `next` leads."""
    store = Counted(2000)

    def miscounted(params):
        page = store(params)
        return Page(page.rows, page.next, total)

    def outcome(concurrency):
        try:
            return read(miscounted, concurrency)[0]
        except SdkError as error:
            return (type(error), error.result)

    assert outcome(4) == outcome(1)


def test_rows_without_an_id():
    """Rows without an id come once as long as nothing changes; where rows were added, no more are doubled."""
    store = Counted(3000, key="NAME")
    found, _ = read(store, 4)
    assert [int(row["NAME"]) for row in found] == store.ids


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["json_500", "reset_before"])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_requests_that_fail_once(fault, after):
    """A request that fails and may be sent again costs no row."""
    store = Counted(8000)
    with Portal() as portal, portal.session(clock=FakeClock(), retries=RetryPolicy(attempts=2)) as b24:
        portal.method(METHOD)(store)
        portal.fail_next(fault, after=after)
        assert ids_of(b24.call_list(METHOD, paging="start", concurrency=4)) == store.ids


def test_an_error_in_the_middle():
    """The rows before a page that fails are in the error, in order and without a gap."""
    store = Counted(20_000)

    def failing(params):
        if params.start >= 6000:
            raise PortalError("ERROR_CORE", "no")
        return store(params)

    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(failing)
        with pytest.raises(AjaxError) as caught:
            b24.call_list(METHOD, paging="start", concurrency=4)
    assert ids_of(caught.value.result) == list(range(1, 6001))


@pytest.mark.slow
def test_an_auth_error():
    """No request begins after an AuthError, and the rows before it are in the error."""
    store = Counted(80_000)
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        portal.fail_next(PortalError("INVALID_CREDENTIALS", "", http_status=401), after=5, times=99)
        with pytest.raises(AuthError) as caught:
            b24.call_list(METHOD, paging="start", concurrency=4)
        assert len(portal.requests) <= 5 + 4
    found = ids_of(caught.value.result)
    assert found == list(range(1, len(found) + 1)) != []


@pytest.mark.parametrize("after", [1, 2, 3])
def test_several_pages_that_crash(after):
    """If several pages of one request crash the method, one page, and requests half as large, read the list."""
    sizes, found = read_timed(Counted(3000), "start", faults={after})
    assert found == list(range(1, 3001))
    assert one_and_half(sizes, after)


def test_operating_time_that_is_used_up_again():
    """After a page came, the next wait for operating time is a new one; without a page the waits are added up."""
    assert waits_of(Counted(3000), "start", blocked=[1, 2, 4, 5]) == [2, 3, 2, 3]
    with pytest.raises(OperatingLimitExceeded):
        waits_of(Counted(3000), "start", blocked=range(2, 400))


@pytest.mark.parametrize("whole", [True, False], ids=["a request", "a page"])
def test_nothing_is_sent_after_a_failure(whole):
    """Once a request or a page that was requested ahead has failed, none begins, though those before it still run."""
    picks, error, failed = iter([0, 2]), PortalError("INVALID_CREDENTIALS", "", http_status=401), []

    def failing(params):
        if not whole and len(portal.requests) == 4:
            failed.append(params.start)
            raise error
        return store(params)

    store = Counted(3000)
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(failing)
        if whole:
            portal.fail_next(error, after=3)
        lanes_ = list_store.Shuffled(4, lambda _number: next(picks, 0))
        with pytest.raises(SdkError):
            list(read_on(lanes_, b24, paging="start"))
        assert len(portal.requests) == 4
        assert len(failed) == (not whole)


def test_requests_that_wait_when_one_fails():
    """A request that waits for its lane when an error ends the list is not sent any more."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(Counted(3000))
        portal.fail_next(PortalError("INVALID_CREDENTIALS", "", http_status=401), after=1)
        with pytest.raises(AuthError):
            shuffled(b24, 4, lambda waiting: 0, pages=5)
        assert len(portal.requests) == 2


def test_reading_ahead_again():
    """Where a row was added, what was requested ahead is dropped; the next requests are sent ahead again."""
    waiting = []

    def last(number):
        waiting.append(number)
        return number - 1

    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(Counted(2000, {20: 1}))
        shuffled(b24, 4, last, pages=5)
    assert waiting.count(1) > 2
    assert 3 in waiting[-5:]


@pytest.mark.slow
def test_used_up_operating_time():
    """The list waits for operating time, and then goes on where it was."""
    clock, waits, store = FakeClock(), [], Counted(20_000)
    with Portal(clock, operating_limit=480) as portal, portal.session(clock=clock, on_wait=waits.append) as b24:
        portal.method(METHOD)(store)
        portal.cost(METHOD, 3.0)
        assert ids_of(b24.call_list(METHOD, paging="start", concurrency=4)) == store.ids
    assert {wait.reason for wait in waits} == {"operating"}


def test_operating_time_that_takes_too_long():
    """If that is longer than max_wait, the error has the rows so far."""
    clock = FakeClock()
    with Portal(clock, operating_limit=480) as portal, portal.session(clock=clock, max_wait=1.0) as b24:
        portal.method(METHOD)(Counted(20_000))
        portal.cost(METHOD, 3.0)
        with pytest.raises(OperatingLimitExceeded) as caught:
            b24.call_list(METHOD, paging="start", concurrency=4)
    found = ids_of(caught.value.result)
    assert found == list(range(1, len(found) + 1)) != []


@pytest.mark.slow
def test_pages_are_read_no_further_ahead():
    """fetch_list keeps the rows of as many requests as are on their way at once."""
    store, got = Counted(40_000), 0
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        for page in b24.fetch_list(METHOD, paging="start", concurrency=4):
            got += len(page)
            assert len(store.starts) * 50 - got <= 5 * 2500
    assert got == 40_000


def interrupted(b24, lines, pick, *, paging, pages, functions):
    """The rows so far if Ctrl-C comes at the n-th line of these functions."""

    def trace(frame, event, _arg):
        code = frame.f_code
        if code.co_filename.rpartition("/")[2] not in MODULES or not (functions is None or code.co_name in functions):
            return None
        if event == "line" and next(lines, None) is None:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return shuffled(b24, 4, pick, paging=paging, pages=pages)
    except KeyboardInterrupt as interrupt:
        return vars(interrupt)["result"]
    finally:
        sys.settrace(before)


@pytest.mark.slow
@pytest.mark.parametrize("paging", ["start", "cursor"])
@pytest.mark.parametrize("seed", some(range(8)))
def test_ctrl_c_anywhere(paging, seed):
    """Wherever Ctrl-C comes, the rows so far are in order, each once, and none is missing between them."""
    chance, store = random.Random(seed), Counted(4000)
    with Portal(record=False) as portal, portal.session() as b24:
        portal.method(METHOD)(store if paging == "start" else by_id(store.ids))
        for _ in range(10):
            lines = iter(range(chance.randrange(200, 2500)))
            found = interrupted(b24, lines, chance.randrange, paging=paging, pages=50, functions=None)
            assert ids_of(found) == store.ids[: len(found)]


@pytest.mark.slow
def test_ctrl_c_between_pages():
    """The same at each line that takes a page: one that was half taken ends the rows, whatever came behind it."""
    store = Counted(300)
    with Portal(record=False) as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        for number in range(60):
            chance = random.Random(number)
            options = {"paging": "start", "pages": 2, "functions": {"_read"}}
            found = interrupted(b24, iter(range(number)), chance.randrange, **options)
            assert ids_of(found) == store.ids[: len(found)]
    assert found


def by_id(ids):
    """A method that pages by cursor."""

    def method(params):
        low, high = (int((params.get("filter") or {}).get(key, other)) for key, other in ((">ID", 0), ("<ID", 10**9)))
        rows = [{"ID": str(n)} for n in ids if low < n < high]
        return Page(rows[:50] if params["order"]["ID"] == "ASC" else rows[::-1][:50], total=len(rows))

    return method

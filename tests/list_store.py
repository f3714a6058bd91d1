"""A store of rows that are listed by cursor, and ways to read it with several requests on their way."""

import threading
from bisect import bisect_left, bisect_right

from b24batch import Command, RetryPolicy
from b24batch.lists.concurrent_listing import listing_of
from b24batch.lists.families import find_family
from b24batch.lists.listing import way_through
from b24batch.runs.lanes import Lanes, Sending
from b24batch.sandbox import FakeClock, Page, Portal, PortalError

METHOD = "crm.deal.list"


class Store:
    """The rows of a method; `changes` tells what is deleted and added before its n-th page."""

    def __init__(self, ids, changes=(), counts=True):
        self.counts = counts
        self.ids, self.changes = sorted(ids), {after: change for after, *change in changes}
        self.ever, self.kept = set(self.ids), set(self.ids)
        self.pages, self.lock = 0, threading.Lock()

    def __call__(self, params):
        with self.lock:
            if self.pages in self.changes:
                self.change(*self.changes[self.pages])
            self.pages += 1
            conditions = params.get("filter") or {}
            low = bisect_right(self.ids, bound(conditions.get(">ID", 0)))
            high = bisect_left(self.ids, bound(conditions.get("<ID", 10**9)))
            total = high - low if self.counts and params.start >= 0 else None
            start = max(0, params.start)
            if params["order"]["ID"] == "DESC":
                return Page(rows_of(self.ids[low:high][::-1][start : start + 50]), total=total)
            return Page(rows_of(self.ids[low:high][start : start + 50]), total=total)

    def change(self, deleted, added):
        self.kept.difference_update(deleted)
        self.ids = sorted(set(self.ids).difference(deleted))
        new = range(max(self.ever, default=0) + 1, max(self.ever, default=0) + 1 + added)
        self.ids.extend(new)
        self.ever.update(new)


def bound(value):
    """The number of a condition; a reference that leads nowhere is 1."""
    return int(value) if str(value).lstrip("-").isdigit() else 1


def rows_of(ids):
    return [{"ID": str(row_id)} for row_id in ids]


def ids_of(rows):
    return [int(row["ID"]) for row in rows]


def lanes():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("b24batch-")]


def is_silent():
    """Whether the lanes are gone, which takes them a moment."""
    for thread in threading.enumerate():
        if thread.name.startswith("b24batch-"):
            thread.join(10)
    return not lanes()


def read(store, concurrency, **options):
    """The rows that are read from a store, and the number of requests."""
    with Portal() as portal, portal.session() as b24:
        portal.method(METHOD)(store)
        return ids_of(b24.call_list(METHOD, concurrency=concurrency, **options)), len(portal.requests)


class Shuffled(Lanes):
    """Lanes without threads, which finish requests in an order of their own: `pick` says which."""

    def __init__(self, most, pick):
        super().__init__(most, FakeClock(), None)
        self.pick, self.finished = pick, []

    def reserve(self, on_way):
        assert on_way == len(self.finished) < self.most

    def start(self, send):
        sending = Sending(self, send)
        sending.run()
        self.finished.append(sending)
        return sending

    def finish_next(self, until):
        return self.finished.pop(self.pick(len(self.finished)))


class Timed(Shuffled):
    """Lanes on which a request takes a second by a clock, and what its pages take: the one that ends first is next."""

    def __init__(self, most, clock):
        super().__init__(most, lambda _number: self.ends.index(min(self.ends)))
        self.clock, self.ends = clock, []

    def start(self, send):
        began = self.clock.monotonic()
        sending = super().start(send)
        self.ends.append(self.clock.monotonic() + 1.0)
        self.clock.advance(began - self.clock.monotonic())
        return sending

    def finish_next(self, until):
        sending = super().finish_next(until)
        self.clock.advance(max(0.0, min(self.ends) - self.clock.monotonic()))
        self.ends.remove(min(self.ends))
        return sending


def shuffled(b24, most, pick, *, descending=False, pages=50):
    """The pages of a list that is read on lanes that finish in such an order."""
    return read_on(Shuffled(most, pick), b24, descending=descending, pages=pages)


def read_on(lanes, b24, params=None, *, descending=False, pages=50, paging="cursor", limit=None):
    """The pages of a list that is read on these lanes."""
    family = find_family(METHOD, None, None, None)
    way = way_through(Command(METHOD, params), family, paging, cursor_id_key=None, descending=descending)
    requests = b24._requests(None)
    return listing_of(requests, way, lanes, repeatable=True, pages_per_request=pages, left=limit).pages()


def cost_of(store, most, seconds, **options):
    """The ids of a list where each page takes so many seconds, and what it costs: requests, pages and seconds."""
    clock, pages = FakeClock(), []

    def answer(params):
        clock.advance(seconds)
        pages.append(params.start)
        return store(params)

    with Portal(clock) as portal, portal.session(clock=clock) as b24:
        portal.method(METHOD)(answer)
        found = ids_of(row for page in read_on(Timed(most, clock), b24, **options) for row in page)
    return found, (len(portal.requests), len(pages), round(clock.monotonic(), 2))


def read_timed(store, paging, *, faults, attempts=1):
    """The pages of each request of a list, and its ids, where requests with such numbers crash."""
    clock = FakeClock()
    with Portal(clock) as portal, portal.session(clock=clock, retries=RetryPolicy(attempts=attempts)) as b24:
        portal.method(METHOD)(store)
        for number in faults:
            portal.fail_next("json_500", after=number)
        found = ids_of(row for page in read_on(Timed(4, clock), b24, paging=paging) for row in page)
        return [len(request.params.get("cmd", [METHOD])) for request in portal.requests], found


def sizes_of(store, paging, *, seconds):
    """The pages of each request of a list; each page takes so many seconds, the first 20 excepted."""
    clock, pages = FakeClock(), []

    def answer(params):
        pages.append(params.start)
        clock.advance(seconds if len(pages) > 20 else 0.0)
        return store(params)

    with Portal(clock) as portal, portal.session(clock=clock, deadline=10_000.0) as b24:
        portal.method(METHOD)(answer)
        assert (
            len(ids_of(row for page in read_on(Timed(2, clock), b24, paging=paging, pages=8) for row in page)) == 3000
        )
        return [len(request.params.get("cmd", [METHOD])) for request in portal.requests]


def one_and_half(sizes, crashed):
    """Whether after this request there is one of a single page, and then none larger than half of it."""
    later = sizes[sizes.index(1, crashed + 1) :]
    return len(later) > 1 and max(later) == max(1, sizes[crashed] // 2)


def waits_of(store, paging, *, blocked, pages=5):
    """The attempts of the waits of a list whose method has no operating time left at such requests."""
    clock, waits = FakeClock(), []

    def method(params):
        if len(portal.requests) in blocked:
            raise PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429)
        return store(params)

    with Portal(clock) as portal, portal.session(clock=clock, on_wait=waits.append) as b24:
        portal.method(METHOD)(method)
        assert ids_of(row for page in read_on(Timed(4, clock), b24, paging=paging, pages=pages) for row in page)
    assert clock.slept == [wait.seconds for wait in waits]
    return [wait.attempt for wait in waits]

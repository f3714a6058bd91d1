"""Concurrent runs: several requests on their way at once, with every outcome in order and true."""

import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from collections import Counter

import pytest
from canary import assert_hidden
from drawing import together

from b24batch import (
    AjaxError,
    AnswerLost,
    AuthError,
    Command,
    LeakyBucket,
    NotSent,
    OAuth,
    OperatingLimitExceeded,
    PortalMoved,
    RetryPolicy,
    UsageError,
    ref,
)
from b24batch.oauth import Token
from b24batch.runs.lanes import Lanes, Sending
from b24batch.sandbox import FakeClock, Portal, PortalError

#: Seconds that only a very slow machine, or a fault, would need.
PATIENCE = 20.0
AT_ONCE = RetryPolicy(wait_initial=0.0)
PUTS = [("put.add", {"n": n}) for n in range(40)]


@pytest.fixture
def portal():
    with Portal() as portal:
        for name in ("put.add", "look.get", "slow.add"):
            portal.method(name)(lambda params: params["n"])
        yield portal


@pytest.fixture
def b24(portal):
    with portal.session(retries=AT_ONCE, concurrency=4) as session:
        yield session


@pytest.fixture(autouse=True)
def _ended():
    """After each test no lane is left."""
    yield
    await_lanes(0)


def await_lanes(number):
    """Wait until no more lanes than these are left, and fail if that takes too long."""
    left, ended = lanes(), threading.Semaphore(0)
    for lane in left:
        threading.Thread(target=lambda lane=lane: (wait_for(lane), ended.release()), daemon=True).start()
    for _ in left[number:]:
        assert ended.acquire(timeout=PATIENCE)


def wait_for(lane):
    while lane in threading.enumerate():
        with contextlib.suppress(RuntimeError):  # it is starting, and cannot be joined yet
            lane.join()


def lanes():
    """Return the threads of lanes that run; one whose start was interrupted may be listed without an `ident`."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("b24batch-") and thread.ident]


def statuses(rows):
    return [row.status for row in rows]


def written(portal):
    return [int(command.params["n"]) for command in portal.executed if command.method.endswith(".add")]


class Gate:
    """Holds requests at the portal, outside of its lock, until it is opened."""

    def __init__(self, number=1):
        self.number, self.inside, self.most = number, 0, 0
        self.all_in, self.open, self._lock = threading.Event(), threading.Event(), threading.Lock()

    def __call__(self):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside >= self.number:
                self.all_in.set()
        self.open.wait(PATIENCE)
        with self._lock:
            self.inside -= 1


@pytest.fixture
def gate(portal):
    """A gate for the next requests; opened in the end, so that the portal can close."""
    gate = Gate()
    yield gate
    gate.open.set()


@contextlib.contextmanager
def beside(act):
    """Do something in another thread during the block; its exception is raised after the block."""
    errors = []

    def work():
        try:
            act()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert errors == []


def settled(gate):
    """Wait until all requests are held, then open the gate."""
    assert gate.all_in.wait(PATIENCE)
    gate.open.set()


def pressing(gate, then=lambda: None, pressed=None):
    """Return a function that presses Ctrl-C once all requests are held, and then does something."""

    def press():
        assert gate.all_in.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)
        if pressed is not None:
            assert pressed.wait(PATIENCE)
        then()

    return press


# Order and number


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_rows_in_order(portal, b24, way):
    """Rows, data and progress are in the order of the calls, though the portal answers the first request last."""
    gate, last = Gate(), threading.Event()
    portal.fail_next(gate)
    portal.fail_next(last.set, after=9)
    counted = []

    def release():
        assert last.wait(PATIENCE) if way == "batch_by_chunk" else gate.all_in.wait(PATIENCE)
        gate.open.set()

    with beside(release):
        if way == "stream_batch":
            rows = list(b24.stream_batch(PUTS, chunk_size=4))
        else:
            bar = Bar(counted)
            result = b24.batch_by_chunk(PUTS, chunk_size=4, progress=lambda **_options: bar)
            rows = result.rows
            assert [int(value) for value in result.data] == list(range(40))
            assert counted == [4] * 10
    assert [row.command.params["n"] for row in rows] == list(range(40))
    assert [int(row.data) for row in rows] == list(range(40))
    assert sorted(written(portal)) == list(range(40))


class Bar:
    """A bar that keeps what it was told, and may fail."""

    def __init__(self, counted, error=None):
        self.counted, self.error, self.threads = counted, error, set()

    def update(self, n, /):
        self.threads.add(threading.current_thread())
        self.counted.append(n)
        if self.error is not None:
            raise self.error

    def set_postfix_str(self, s, /):
        self.threads.add(threading.current_thread())

    def close(self):
        self.threads.add(threading.current_thread())


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
@pytest.mark.parametrize("number", [2, 4, 16])
def test_so_many_at_once(portal, way, number):
    """With concurrency=n, n requests are on their way at once, and never more."""
    inside, most, lock = 0, 0, threading.Lock()
    barrier = threading.Barrier(number, timeout=PATIENCE)

    def meet():
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        barrier.wait()
        with lock:
            inside -= 1

    portal.fail_next(meet, times=2 * number)
    calls = [("put.add", {"n": n}) for n in range(2 * number)]
    with portal.session(concurrency=number) as b24:
        rows = list(getattr(b24, way)(calls, chunk_size=1))
    assert statuses(rows) == ["ok"] * len(calls)
    assert most <= number + number - 1  # a request may come in while the others of the last round leave
    assert len(portal.requests) == 2 * number


def test_one_starts_no_thread(portal):
    """With concurrency=1, the default, all requests are sent on the caller's thread."""
    seen = []
    portal.method("look.get")(lambda params: seen.extend(lanes()))
    with portal.session() as b24:
        b24.batch_by_chunk([("look.get",)] * 3, chunk_size=1).raise_for_errors()
        list(b24.stream_batch([("look.get",)] * 3, chunk_size=1, concurrency=1))
    assert seen == []


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_threads_end_with_the_run(b24, way):
    """When the run has ended, no thread of its is left."""
    list(getattr(b24, way)(PUTS, chunk_size=4))
    assert lanes() == []


def test_as_many_threads_as_requests(portal, b24):
    """A run of two requests starts two threads, whatever the concurrency."""
    gate, seen = Gate(2), []
    portal.fail_next(gate, times=2)

    def look():
        assert gate.all_in.wait(PATIENCE)
        seen.extend(lanes())
        gate.open.set()

    with beside(look):
        b24.batch_by_chunk(PUTS[:4], chunk_size=2)
    assert len(seen) == 2
    assert all(lane.daemon for lane in seen)


def test_a_stream_reads_no_further_ahead(portal, b24):
    """A stream reads at most so many chunks as may be on their way, also if all of them are answered."""
    read = []

    def calls():
        for call in PUTS:
            read.append(call)
            yield call

    stream = b24.stream_batch(calls(), chunk_size=2)
    for number, _row in enumerate(stream):
        assert len(read) <= 2 * (number // 2 + 1 + 4)


@together("value", [0, 17, -1, True, "4", 2.0, float("nan"), []])
@together("way", ["batch_by_chunk", "stream_batch", "Session", "with_options"])
def test_refused_numbers(portal, way, value):
    """concurrency is a whole number from 1 to 16; anything else is refused before anything is sent."""
    ways = {
        "Session": lambda b24: portal.session(concurrency=value),
        "with_options": lambda b24: b24.with_options(concurrency=value),
        "batch_by_chunk": lambda b24: b24.batch_by_chunk(PUTS, concurrency=value),
        "stream_batch": lambda b24: b24.stream_batch(PUTS, concurrency=value),
    }
    with portal.session() as b24, pytest.raises(UsageError, match="concurrency: expected a whole number from 1 to 16"):
        ways[way](b24)
    assert portal.requests == []


@pytest.mark.parametrize("value", [1, 16])
def test_accepted_numbers(portal, value):
    """1 and 16 are accepted, as an option of the session and of the call."""
    with portal.session(concurrency=value) as b24:
        assert b24.concurrency == value
        assert b24.batch_by_chunk(PUTS[:3], chunk_size=1, concurrency=value).is_success


def test_the_option_of_a_session(portal):
    """A session's concurrency is the default of its runs; the call's own argument goes before it."""
    with portal.session(concurrency=3) as b24:
        for given, wanted in ((None, 3), (2, 2), (1, 1)):
            gate = Gate(wanted)
            portal.fail_next(gate, times=wanted)
            with beside(lambda gate=gate: settled(gate)):
                assert b24.batch_by_chunk(PUTS[:6], chunk_size=1, concurrency=given).is_success


# References


def test_a_reference_waits(portal, b24):
    """A chunk that refers to one on its way waits for it; one that does not is sent meanwhile."""
    gate = Gate()
    portal.fail_next(gate)

    def calls():
        yield Command("look.get", {"n": 7}, name="find")
        assert gate.all_in.wait(PATIENCE)
        yield from [("put.add", {"n": ref("find")}), ("put.add", {"n": 3})]

    def release():
        while not written(portal):
            assert gate.all_in.wait(PATIENCE)
        assert written(portal) == [3]
        gate.open.set()

    with beside(release):
        rows = list(b24.stream_batch(calls(), chunk_size=1))
    assert [int(row.data) for row in rows] == [7, 7, 3]


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_a_chain(portal, b24, way):
    """A chain of references through many chunks brings the first value to the last command."""
    calls = [("look.get", {"n": 5}), *(("put.add", {"n": ref(n)}) for n in range(20))]
    rows = list(getattr(b24, way)(calls, chunk_size=1))
    assert [int(row.data) for row in rows] == [5] * 21
    assert written(portal) == [5] * 20


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_what_a_reference_leads_to(portal, b24, way):
    """A command is skipped if its target failed or was skipped, and failed if the value is missing."""
    portal.method("look.none")(lambda params: {"id": None})
    calls = [
        ("no.such.method",),
        ("put.add", {"n": ref(0)}),
        ("put.add", {"n": ref(1)}),
        ("look.none",),
        ("put.add", {"n": ref(3)["id"]}),
        ("put.add", {"n": 9}),
    ]
    rows = list(getattr(b24, way)(calls, chunk_size=1))
    assert statuses(rows) == ["failed", "skipped", "skipped", "ok", "failed", "ok"]
    assert written(portal) == [9]


def test_a_reference_to_the_same_chunk(portal, b24):
    """References within a chunk are resolved as without concurrency, request after request."""
    calls = [call for n in range(6) for call in (("look.get", {"n": n}), ("put.add", {"n": ref(2 * n)}))]
    rows = b24.batch_by_chunk(calls, chunk_size=4).rows
    assert [int(row.data) for row in rows] == [n for n in range(6) for _ in range(2)]
    assert sorted(written(portal)) == list(range(6))


def test_a_name_that_is_used_again(portal, b24):
    """In a stream a name may be used again in each chunk; a reference means the last command of that name before it."""
    calls = [
        call
        for n in range(12)
        for call in (Command("look.get", {"n": n}, name="find"), ("put.add", {"n": ref("find")}))
    ]
    rows = list(b24.stream_batch(calls, chunk_size=2))
    assert [int(row.data) for row in rows] == [n for n in range(12) for _ in range(2)]
    one_by_one = list(b24.stream_batch(calls, chunk_size=1))
    assert [int(row.data) for row in one_by_one] == [n for n in range(12) for _ in range(2)]


def test_the_memory_of_a_stream(portal):
    """A reference 50 commands back finds its target, however many outcomes came in since.

    Target 750 is answered before the 15 chunks before it, then the chunk that refers to it is blocked by its operating
    time while the 15 chunks after it are answered.
    """
    clock = FakeClock()
    blocked, gate = [], Gate(15)

    @portal.method("slow.add")
    def slow(params):
        if not blocked:
            blocked.append(params)
            refuse_for_time()
        return params["n"]

    def calls():
        for n in range(1600):
            if n == 751:  # the chunk before has begun
                assert gate.all_in.wait(PATIENCE)
            yield ("slow.add", {"n": ref(750)}) if n == 800 else ("put.add", {"n": n})

    portal.fail_next(gate, times=15)
    with portal.session(concurrency=16, clock=clock) as b24, beside(lambda: settled_but(gate, portal, 750)):
        rows = list(b24.stream_batch(calls()))
    assert blocked
    assert (rows[800].status, int(rows[800].data)) == ("ok", 750)
    assert statuses(rows) == ["ok"] * 1600


def settled_but(gate, portal, number):
    """Open the gate once all are in and a command with this number was executed."""
    assert gate.all_in.wait(PATIENCE)
    while number not in written(portal):
        assert not gate.open.wait(0.01)
    gate.open.set()


# Ends


@pytest.mark.parametrize("halt", [True, False])
def test_halt(portal, b24, halt):
    """An error skips the rest of its own chunk with halt_on_error, and nothing without."""
    calls = [*PUTS[:5], ("no.such.method",), *PUTS[6:16]]
    rows = b24.batch_by_chunk(calls, halt_on_error=halt, chunk_size=4).rows
    wanted = ["ok"] * 16
    wanted[5:8] = ["failed", "skipped", "skipped"] if halt else ["failed", "ok", "ok"]
    assert statuses(rows) == wanted


def ended_but(gate, failed):
    """Wait until one request has failed and only the lanes whose requests are held are left, as the run has ended."""
    assert gate.all_in.wait(PATIENCE)
    assert failed.wait(PATIENCE)
    await_lanes(gate.number)
    gate.open.set()


ENDS = {
    "AuthError": (PortalError("INVALID_CREDENTIALS", "", http_status=401), AuthError, {}),
    "PortalMoved": ("moved", PortalMoved, {}),
    "stop_on_error": (PortalError("SOME_CODE", "", http_status=403), AjaxError, {"stop_on_error": True}),
    "an unknown outcome": ("lost_before", AnswerLost, {"stop_on_error": True}),
}


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_an_error_that_ends_the_run(portal, b24, way, kind):
    """After such an error no request begins; those on their way keep their outcomes, and the rest is skipped."""
    fault, error, options = ENDS[kind]
    gate, failed = Gate(3), threading.Event()
    b24 = b24.with_options(on_request=lambda request: failed.set())
    portal.fail_next(gate, times=3)
    portal.fail_next(fault, after=3)
    with beside(lambda: ended_but(gate, failed)):
        rows = list(getattr(b24, way)([*PUTS[:8], ("put.add", {"n": ref(0)}), *PUTS[9:20]], chunk_size=2, **options))
    status = "unknown" if error is AnswerLost else "failed"
    assert Counter(statuses(rows)) == {status: 2, "ok": 6, "skipped": 12}
    assert {type(row.error) for row in rows if row.status == status} == {error}
    assert statuses(rows[8:]) == ["skipped"] * 12
    assert sorted(written(portal)) == sorted(row.command.params["n"] for row in rows if row.status == "ok")
    assert len(portal.requests) == 4


def test_without_stop_on_error(portal, b24):
    """A chunk that fails as a whole does not end the run."""
    portal.fail_next(PortalError("SOME_CODE", "", http_status=403), times=3)
    rows = b24.batch_by_chunk(PUTS, chunk_size=4).rows
    assert Counter(statuses(rows)) == {"failed": 12, "ok": 28}
    assert len(portal.requests) == 10


def test_an_unreachable_portal(portal):
    """After two requests running that could not be sent, no further one begins."""
    portal.close()
    with portal.session(retries=RetryPolicy(attempts=1), concurrency=4) as b24:
        rows = b24.batch_by_chunk(PUTS, chunk_size=1).rows
    failed = [row for row in rows if row.status == "failed"]
    assert 2 <= len(failed) <= 5  # four at once, and one more after the first of them
    assert statuses(rows).count("skipped") == 40 - len(failed)
    assert {type(row.error) for row in failed} == {NotSent}


class HeldClock(FakeClock):
    """A clock on which every sleep lasts until it is released."""

    def __init__(self):
        super().__init__()
        self.asleep, self.released = threading.Event(), threading.Event()

    def sleep(self, seconds):
        self.asleep.set()
        # In short waits: a signal that comes right before one does not end it.
        while not self.released.wait(0.05):
            pass
        super().sleep(seconds)


@pytest.fixture
def held():
    clock = HeldClock()
    yield clock
    clock.released.set()


def first_alone(portal, calls, number=1):
    """The calls: the first so many, and once the portal has their request, the others."""
    yield from calls[:number]
    while not portal.requests:
        threading.Event().wait(0.01)
    yield from calls[number:]


@pytest.mark.parametrize("kind", ENDS)
def test_the_end_while_others_wait_for_the_rate(portal, held, kind):
    """Requests that wait for the rate when the run ends are skipped at once."""
    fault, _error, options = ENDS[kind]
    portal.fail_next(fault)
    limits = LeakyBucket(2, 1.0, clock=held)
    with portal.session(limits=limits, clock=held, retries=AT_ONCE, concurrency=4) as b24:
        rows = list(b24.stream_batch(first_alone(portal, PUTS[:10]), chunk_size=1, **options))
        assert statuses(rows).count("skipped") == 9
        held.released.set()
        await_lanes(0)
    assert len(portal.requests) == 1


def test_the_end_behind_an_invalid_call(portal, held):
    """An outcome that ends the run ends it also when an invalid call was read already: what waits is not sent."""
    portal.fail_next(PortalError("INVALID_CREDENTIALS", "", http_status=401))
    limits = LeakyBucket(2, 1.0, clock=held)
    with portal.session(limits=limits, clock=held, concurrency=4) as b24:
        rows = []
        with pytest.raises(UsageError):
            rows.extend(b24.stream_batch(first_alone(portal, [*PUTS[:3], ("no method!",)]), chunk_size=1))
        held.released.set()
        await_lanes(0)
    assert statuses(rows) == ["failed", "skipped", "skipped"]
    assert len(portal.requests) == 1


@pytest.mark.parametrize("reason", ["operating limit", "missed reference"])
def test_an_end_without_a_request(portal, held, reason):
    """A run that ends by what is known without a request skips those that wait for the rate, too."""
    portal.method("look.none")(lambda params: None)
    portal.method("slow.add")(lambda params: refuse_for_time())
    calls = {
        "operating limit": [("slow.add",)],
        "missed reference": [("look.none",), ("put.add", {"n": ref(0)["id"]})],
    }[reason]
    limits, number = LeakyBucket(2, 1.0, clock=held), len(calls)
    with portal.session(limits=limits, clock=held, operating_wait=0, concurrency=4) as b24:
        given = first_alone(portal, [*calls, *PUTS[:8]])
        rows = list(b24.stream_batch(given, chunk_size=1, stop_on_error=True))
        held.released.set()
        await_lanes(0)
    assert statuses(rows[number - 1 :]) == ["failed"] + ["skipped"] * 8
    assert len(portal.requests) == 1


def refuse_for_time():
    raise PortalError("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.", http_status=429)


def test_the_end_while_another_is_to_be_sent_again(portal, held):
    """A request that was sent and waits to be sent again when the run ends is on its way: it is sent again."""
    portal.fail_next("rate_limited")
    portal.fail_next(PortalError("INVALID_CREDENTIALS", "", http_status=401))

    def release():
        assert held.asleep.wait(PATIENCE)
        await_lanes(1)
        held.released.set()

    with portal.session(clock=held, concurrency=2) as b24, beside(release):
        rows = b24.batch_by_chunk(PUTS[:5], chunk_size=1).rows
    assert Counter(statuses(rows[:2])) == {"ok": 1, "failed": 1}
    assert statuses(rows[2:]) == ["skipped"] * 3
    assert len(portal.requests) == 3


# Faults


def test_writes_are_never_sent_twice(portal, b24):
    """A write whose answer was lost is unknown, and is not sent again; reads are."""
    portal.fail_next("lost_after", times=3, after=1)
    rows = b24.batch_by_chunk(PUTS, chunk_size=4).rows
    assert Counter(statuses(rows)) == {"unknown": 12, "ok": 28}
    assert max(Counter(written(portal)).values()) == 1
    portal.fail_next("lost_after", times=3, after=1)
    looks = b24.batch_by_chunk([("look.get", {"n": n}) for n in range(40)], chunk_size=4)
    assert looks.is_success
    assert [int(value) for value in looks.data] == list(range(40))


def test_one_refresh(portal):
    """An expired token is renewed once for all requests on their way."""
    barrier = threading.Barrier(4, timeout=PATIENCE)
    issued, expired = portal.issue_token(), portal.issue_token(expires_in=0)["access_token"]
    names = ("refresh_token", "client_endpoint", "member_id")
    token = Token(expired, expires=float(issued["expires"]), **{name: issued[name] for name in names})
    with portal.session(OAuth(portal.client_id, portal.client_secret, token, token_url=portal.token_url)) as b24:
        portal.fail_next(barrier.wait, times=4)
        result = b24.batch_by_chunk(PUTS, chunk_size=5, concurrency=4)
    assert result.is_success
    assert sorted(written(portal)) == list(range(40))
    assert len(portal.token_requests) == 1


# Operating time


def blocking(portal, clock, seconds=100.0):
    """Let slow.add be blocked for some seconds from its first call; return the times of its calls."""
    times = []

    @portal.method("slow.add")
    def slow(params):
        times.append(clock.monotonic())
        if clock.monotonic() < seconds:
            refuse_for_time()
        return params["n"]

    return times


def test_a_blocked_method(portal):
    """A blocked method is neither sent again nor begun until it is free; the others go on, and all of them are ok."""
    clock, waits = FakeClock(), []
    times = blocking(portal, clock, 60.0)
    calls = [(("slow.add", "put.add")[n % 2], {"n": n}) for n in range(40)]
    with portal.session(clock=clock, concurrency=4, on_wait=waits.append) as b24:
        result = b24.batch_by_chunk(calls, chunk_size=1, request_id="run")
    assert [int(value) for value in result.data] == list(range(40))
    early = [moment for moment in times if moment < 60.0]
    assert len(early) <= 4  # those that were on their way at the same time
    assert len(waits) == len(early)
    assert {(wait.reason, wait.seconds) for wait in waits} == {("operating", 60.0)}
    assert {wait.request_id for wait in waits} <= {"run", "run/3", "run/5", "run/7"}
    assert clock.monotonic() == 60.0


def test_a_wait_begins_now(portal):
    """A wait for operating time is as long as it says, whatever the clock shows when it begins."""
    clock = FakeClock()
    clock.advance(1000.0)
    blocking(portal, clock, 1060.0)
    with portal.session(clock=clock, concurrency=4) as b24:
        assert b24.batch_by_chunk([("slow.add", {"n": 1})]).is_success
    assert clock.slept == [60.0]


def test_a_wait_that_is_nearly_over(portal):
    """What is left of a wait for operating time is waited for, and no more."""
    clock = FakeClock()
    blocking(portal, clock, 60.0)
    with portal.session(clock=clock, concurrency=4, on_wait=lambda wait: clock.advance(59.5)) as b24:
        assert b24.batch_by_chunk([("slow.add", {"n": 1})]).is_success
    assert clock.slept == [0.5]


def test_a_wait_ends_in_time():
    """The end of a wait for operating time is noticed while another request is still on its way."""
    clock, gate = FakeClock(), Gate()
    on_way = Lanes(1, clock, None)
    on_way.reserve(0)
    sending = on_way.start(lambda _claim: gate() or [])

    def advance():
        assert gate.all_in.wait(PATIENCE)
        clock.advance(60.0)

    with beside(advance):
        assert on_way.finish_next(60.0) is None
    gate.open.set()
    assert on_way.finish_next(float("inf")) is sending
    on_way.join()


def test_operating_wait_of_zero(portal):
    """With operating_wait=0 the blocked commands are failed, and nobody waits."""
    clock = FakeClock()
    blocking(portal, clock)
    with portal.session(clock=clock, concurrency=4, operating_wait=0) as b24:
        rows = b24.batch_by_chunk([("slow.add", {"n": 1}), *PUTS[:8]], chunk_size=2).rows
    assert statuses(rows) == ["failed", "skipped"] + ["ok"] * 7
    assert type(rows[0].error) is OperatingLimitExceeded
    assert clock.slept == []


@pytest.mark.parametrize("max_wait", [59.0, 60.0])
def test_max_wait_and_operating_time(portal, max_wait):
    """A wait for operating time that is longer than max_wait is not begun."""
    clock = FakeClock()
    blocking(portal, clock, 60.0)
    with portal.session(clock=clock, concurrency=4, max_wait=max_wait) as b24:
        rows = b24.batch_by_chunk([("slow.add", {"n": 1}), *PUTS[:8]], chunk_size=1).rows
    assert statuses(rows) == ["ok" if max_wait == 60.0 else "failed"] + ["ok"] * 8


def test_a_clock_below_zero(portal):
    """A clock may return any figures, also those below zero."""
    clock = FakeClock()
    clock.advance(-1000.0)
    with portal.session(clock=clock, concurrency=4) as b24:
        assert b24.batch_by_chunk(PUTS, chunk_size=4).is_success
    assert (clock.slept, clock.monotonic()) == ([], -1000.0)


# Rate


class LaneClock(FakeClock):
    """A clock on which each thread sleeps from the moment at which it last looked, as if nobody had been faster."""

    def __init__(self):
        super().__init__()
        self._seen, self._moving = threading.local(), threading.Lock()

    def monotonic(self):
        self._seen.moment = super().monotonic()
        return self._seen.moment

    def sleep(self, seconds):
        with self._moving:
            self.advance(max(0.0, self._seen.moment + seconds - super().monotonic()))


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 4, 16])
def test_the_rate(number):
    """At 50 and 2 per second none is refused, and 250 requests take the limiter's ideal time, at any concurrency."""
    clock = LaneClock()
    with Portal(clock=clock, rate=(50, 2.0)) as portal:
        portal.method("put.add")(lambda params: params["n"])
        limits = LeakyBucket(clock=clock)
        with portal.session(limits=limits, concurrency=number) as b24:
            result = b24.batch_by_chunk([("put.add", {"n": n}) for n in range(250)], chunk_size=1)
        assert result.is_success
        assert len(portal.requests) == 250
    assert clock.monotonic() == pytest.approx((250 - 49) / 2.0, abs=0.51)


def test_a_blocked_stream_that_winds_down(portal):
    """A stream that winds down does not wait for operating time any more; what is blocked is failed."""
    clock = FakeClock()
    blocking(portal, clock)
    with portal.session(clock=clock, concurrency=4, on_wait=lambda wait: stream.wind_down()) as b24:
        stream = b24.stream_batch([("slow.add", {"n": 1})], chunk_size=1)
        assert statuses(stream) == ["failed"]
    assert clock.slept == []


def test_max_wait_and_the_rate(portal, held):
    """A wait for the rate that is longer than max_wait is refused at once."""
    limits = LeakyBucket(3, 1.0, clock=held)
    with portal.session(limits=limits, clock=held, concurrency=4, max_wait=0.5) as b24:
        rows = b24.batch_by_chunk(PUTS[:6], chunk_size=1).rows
    assert Counter(statuses(rows)) == {"ok": 2, "failed": 4}
    assert {row.error.http_status for row in rows if row.error} == {None}


# The caller's thread


def test_callbacks_on_the_callers_thread(portal):
    """Progress and on_wait are called on the caller's thread only, whichever thread waits."""
    clock, threads, reasons = FakeClock(), set(), Counter()
    blocking(portal, clock, 50.0)
    portal.fail_next("rate_limited", after=3)

    def on_wait(wait):
        threads.add(threading.current_thread())
        reasons[wait.reason] += 1

    bar = Bar([])
    limits = LeakyBucket(4, 2.0, clock=clock)
    with portal.session(limits=limits, clock=clock, concurrency=4, on_wait=on_wait) as b24:
        calls = [*PUTS[:20], ("slow.add", {"n": 20}), *PUTS[21:]]
        assert b24.batch_by_chunk(calls, chunk_size=1, progress=lambda **_options: bar).is_success
    assert threads == bar.threads == {threading.current_thread()}
    assert reasons.keys() == {"rate", "retry", "operating"}


class Trouble(Exception):
    """What a callback raises."""


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_a_failing_on_wait(portal, held, way):
    """An exception of on_wait ends the run as it is; what waits is skipped."""
    error = Trouble()

    def fail(_wait):
        raise error

    limits = LeakyBucket(2, 1.0, clock=held)
    rows = []
    with portal.session(limits=limits, clock=held, concurrency=4, on_wait=fail) as b24:
        with pytest.raises(Trouble) as raised:
            rows.extend(getattr(b24, way)(PUTS[:8], chunk_size=1))
        held.released.set()
        await_lanes(0)
    assert raised.value is error
    told = [*rows, *error.result]
    assert statuses(told).count("skipped") >= 7 or way == "stream_batch"
    assert statuses(told).count("ok") == len(written(portal)) <= 1


def test_a_failing_bar(portal, b24):
    """An exception of the progress bar ends the run as it is; requests on their way are waited for."""
    error = Trouble()
    bar = Bar([], error)
    with pytest.raises(Trouble) as raised:
        b24.batch_by_chunk(PUTS, chunk_size=4, progress=lambda **_options: bar)
    assert raised.value is error
    assert len(error.result) == 40
    ok = [row.command.params["n"] for row in error.result if row.status == "ok"]
    assert sorted(written(portal)) == ok
    assert set(statuses(error.result)) <= {"ok", "skipped"}


class FailingLimiter:
    """A limiter that raises once two requests ask it."""

    level = 0.0

    def __init__(self):
        self.barrier, self.errors = threading.Barrier(2, timeout=PATIENCE), []

    def acquire(self, *, max_wait, on_wait):
        self.barrier.wait()
        self.errors.append(Trouble(threading.current_thread().name))
        raise self.errors[-1]

    def penalize(self, seconds):
        raise NotImplementedError


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_exceptions_on_two_lanes(portal, way):
    """Of two exceptions on the lanes one is raised, as it is and with all outcomes; nothing was sent."""
    limits = FailingLimiter()
    with portal.session(limits=limits, concurrency=2) as b24, pytest.raises(Trouble) as raised:
        list(getattr(b24, way)(PUTS[:6], chunk_size=1))
    assert raised.value in limits.errors
    assert set(statuses(raised.value.result)) == {"skipped"}
    assert portal.requests == []


# Interrupts


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_interrupted_with_requests_on_their_way(portal, pressed, way):
    """Ctrl-C begins nothing more and waits for those on their way, for less than 5 seconds of the clock."""
    clock, gate = FakeClock(), Gate(4)
    portal.fail_next(gate, times=4)

    def answer():
        clock.advance(4.9)
        gate.open.set()

    b24 = portal.session(clock=clock, concurrency=4)
    with b24, beside(pressing(gate, answer, pressed)), pytest.raises(KeyboardInterrupt) as raised:
        list(getattr(b24, way)(PUTS[:20], chunk_size=2))
    wanted = ["ok"] * 8 + ["skipped"] * (12 if way == "batch_by_chunk" else 0)
    assert statuses(raised.value.result) == wanted
    assert len(portal.requests) == 4


def keep_advancing(clock, ended):
    while not ended.wait(0.01):
        clock.advance(1.0)


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_interrupted_for_longer_than_5_seconds(portal, pressed, way):
    """After 5 seconds of the clock what is still on its way is unknown."""
    clock, gate, ended = FakeClock(), Gate(3), threading.Event()
    portal.fail_next(gate, times=3)
    with portal.session(clock=clock, concurrency=3) as b24:
        with beside(pressing(gate, lambda: keep_advancing(clock, ended), pressed)):
            with pytest.raises(KeyboardInterrupt) as raised:
                list(getattr(b24, way)(PUTS[:20], chunk_size=2))
            ended.set()
        assert clock.monotonic() >= 5.0
        gate.open.set()
        wanted = ["unknown"] * 6 + ["skipped"] * (14 if way == "batch_by_chunk" else 0)
        assert statuses(raised.value.result) == wanted
        assert {type(row.error) for row in raised.value.result if row.error} == {AnswerLost}


class TickingClock(FakeClock):
    """A clock that goes on by half a second with each look at it."""

    def monotonic(self):
        self.advance(0.5)
        return super().monotonic()


def test_the_wait_of_a_stop():
    """Lanes that are stopped wait 5 seconds for a request that was sent, and no longer."""
    clock, gate = TickingClock(), Gate()
    on_way = Lanes(1, clock, None)
    on_way.reserve(0)
    sending = on_way.start(lambda claim: claim.take() or gate() or [])
    assert gate.all_in.wait(PATIENCE)
    on_way.stop([sending])
    gate.open.set()
    assert 6.0 <= clock.monotonic() <= 6.5  # the first look and this one are half a second each


@pytest.mark.parametrize("way", ["batch_by_chunk", "stream_batch"])
def test_interrupted_twice(portal, pressed, way):
    """A second Ctrl-C ends the wait for those on their way; it has the outcomes, too."""
    clock, gate = FakeClock(), Gate(2)
    portal.fail_next(lambda: None)
    portal.fail_next(gate, times=2)

    def press_again():
        await_lanes(2)
        os.kill(os.getpid(), signal.SIGINT)

    with portal.session(clock=clock, concurrency=3) as b24:
        with beside(pressing(gate, press_again, pressed)), pytest.raises(KeyboardInterrupt) as raised:
            list(getattr(b24, way)(PUTS[:3], chunk_size=1))
        gate.open.set()
    context = raised.value.__context__
    while not isinstance(context, KeyboardInterrupt):
        context = context.__context__  # a look for events that found none
    assert statuses(raised.value.result).count("unknown") == 2


@pytest.mark.parametrize(("reason", "end"), [("rate", None), ("retry", None), ("retry", 1000.0), ("operating", None)])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, TimeoutError])
def test_interrupted_in_a_wait(portal, held, reason, end, kind):
    """Ctrl-C, SystemExit or a soft time limit in a wait leaves at once; what waits was not executed."""
    portal.method("slow.add")(lambda params: refuse_for_time())
    limits = LeakyBucket(2, 1.0, clock=held) if reason == "rate" else None
    error = kind()

    def handle(_number, _frame):
        raise error

    def press():
        assert held.asleep.wait(PATIENCE)
        while reason != "operating" and len(lanes()) < 4:  # until then it may come while the calls are read
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    if reason == "retry":
        portal.fail_next("rate_limited", times=99)
    calls = [("slow.add", {"n": n}) for n in range(4)] if reason == "operating" else PUTS[:4]
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with portal.session(limits=limits, clock=held, concurrency=4) as b24:
            with beside(press), pytest.raises(kind) as raised:
                b24.batch_by_chunk(calls, chunk_size=1, stop_after=end)
            held.released.set()
            await_lanes(0)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert raised.value is error
    assert len(error.result) == 4
    assert statuses(error.result).count("ok") == len(written(portal))
    assert {"unknown"}.isdisjoint(statuses(error.result))


def test_interrupted_with_a_lost_answer(portal, held, pressed):
    """Reads whose answer was lost are unknown if Ctrl-C comes before they are sent again."""
    portal.fail_next("lost_after", times=2)

    def press():
        assert held.asleep.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)
        assert pressed.wait(PATIENCE)
        held.released.set()

    b24 = portal.session(clock=held, concurrency=2)
    with b24, beside(press), pytest.raises(KeyboardInterrupt) as raised:
        b24.batch_by_chunk([("look.get", {"n": n}) for n in range(4)], chunk_size=1)
    assert set(statuses(raised.value.result)) <= {"unknown", "ok", "skipped"}
    assert statuses(raised.value.result)[2:] == ["skipped"] * 2


# The calls of a stream


def failing_after(number, error):
    yield from PUTS[:number]
    raise error


def test_an_exception_of_the_calls(portal, b24):
    """An exception of the generator of calls comes as it is, after the outcomes of the chunks before it."""
    error, rows = Trouble(), []
    with pytest.raises(Trouble) as raised:
        rows.extend(b24.stream_batch(failing_after(12, error), chunk_size=4))
    assert raised.value is error
    assert statuses(rows) == ["ok"] * 12 == ["ok"] * len(written(portal))
    assert list(error.result) == []


def test_an_exception_of_the_calls_while_a_chunk_waits(portal, gate):
    """It may be a soft time limit: what waits for operating time then is given up, and is failed."""
    clock, error, rows = FakeClock(), Trouble(), []
    blocking(portal, clock)

    def calls():
        yield PUTS[0]
        assert gate.all_in.wait(PATIENCE)
        yield from [("slow.add", {"n": 1}), *PUTS[2:4]]
        raise error

    portal.fail_next(gate)
    b24 = portal.session(clock=clock, concurrency=4, on_wait=lambda _wait: gate.open.set())
    with b24, pytest.raises(Trouble):
        rows.extend(b24.stream_batch(calls(), chunk_size=1))
    assert statuses(rows) == ["ok", "failed", "ok", "ok"]
    assert type(rows[1].error) is OperatingLimitExceeded
    assert clock.slept == []


def test_an_invalid_call(portal, b24):
    """An invalid call raises after the outcomes of the chunks before it, which are all sent; its own is not."""
    rows = []
    calls = [*PUTS[:6], ("put.add", {"n": ref(0)}), ("put.add", {"n": float("nan")}), *PUTS[8:]]
    with pytest.raises(UsageError, match="nan"):
        rows.extend(b24.stream_batch(calls, chunk_size=3))
    assert statuses(rows) == ["ok"] * 6
    assert sorted(written(portal)) == [0, 1, 2, 3, 4, 5]


def test_an_invalid_call_by_chunk(portal, b24):
    """batch_by_chunk checks all calls before it sends the first."""
    with pytest.raises(UsageError):
        b24.batch_by_chunk([*PUTS, ("put.add", {"n": float("nan")})], chunk_size=2)
    assert portal.requests == []
    assert lanes() == []


# The end of a stream


def with_three_on_their_way(portal, b24, gate):
    """A stream whose first outcome was yielded, while three requests are held at the portal; and that outcome."""
    gate.number = 3
    portal.fail_next(gate, times=3, after=1)

    def calls():
        yield PUTS[0]
        while not written(portal):
            assert not gate.all_in.wait(0.01)
        yield from PUTS[1:]

    stream = b24.stream_batch(calls(), chunk_size=1)
    first = next(stream)
    assert gate.all_in.wait(PATIENCE)
    return stream, first


@contextlib.contextmanager
def finished(number):
    """An event, set when the lanes that start inside the block have finished so many requests."""
    all_done, earlier = threading.Event(), iter(range(number - 1))

    def profile(frame, event, _argument):
        if event == "return" and frame.f_code is Sending.run.__code__ and next(earlier, None) is None:
            all_done.set()

    threading.setprofile(profile)
    try:
        yield all_done
    finally:
        threading.setprofile(None)


def test_a_stream_that_is_closed(portal, b24, gate):
    """close waits for the requests on their way; result then has the outcomes that were not yielded."""
    stream, first = with_three_on_their_way(portal, b24, gate)
    assert (first.status, statuses(stream.result)) == ("ok", ["unknown"] * 3)
    with beside(gate.open.set):
        stream.close()
    assert statuses(stream.result) == ["ok"] * 3
    assert [int(value) for value in stream.result.data] == [1, 2, 3]
    assert (list(stream), len(portal.requests)) == ([], 4)


def test_the_result_of_a_stream_that_goes_on(portal, b24, gate):
    """After an exception in the body of the loop, result has the answers that arrived, and the stream goes on."""
    with finished(4) as all_done:
        stream, first = with_three_on_their_way(portal, b24, gate)
    gate.open.set()
    assert all_done.wait(PATIENCE)
    assert statuses(stream.result) == ["ok"] * 3
    rest = list(stream)
    assert [int(row.data) for row in [first, *rest]] == list(range(40))
    assert len(portal.requests) == 40


def test_an_exception_thrown_into_a_stream(portal, b24, gate):
    """throw ends the stream, and its exception has the outcomes of those that were on their way."""
    stream, _first = with_three_on_their_way(portal, b24, gate)
    error = Trouble()
    with beside(gate.open.set), pytest.raises(Trouble):
        stream.throw(error)
    assert statuses(error.result) == ["ok"] * 3
    assert len(portal.requests) == 4


def test_a_stream_that_is_dropped(portal, b24, gate):
    """A stream that nobody holds any more sends nothing more, and its threads end."""
    stream, _first = with_three_on_their_way(portal, b24, gate)
    before = weakref.ref(stream)
    with beside(gate.open.set):
        del stream
    assert before() is None
    await_lanes(0)
    assert len(portal.requests) == 4


def test_a_stream_that_was_never_begun(portal, b24):
    """A stream that was not begun has no threads, and sends nothing."""
    stream = b24.stream_batch(PUTS)
    stream.close()
    assert list(stream) == []
    assert portal.requests == []


# The process


def run_program(portal, text, **options):
    """Run a program with a portal's address, and return how it ended."""
    program = [sys.executable, "-c", textwrap.dedent(text), portal.url]
    return subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)


BEGUN = """
    import logging, sys, threading
    from b24batch import Session
    from b24batch.sandbox import FakeClock

    answered = threading.Event()
    class Handler(logging.Handler):
        def emit(self, record):
            answered.set()
    logging.getLogger("b24batch").addHandler(Handler())
    logging.getLogger("b24batch").setLevel("DEBUG")

    def calls():
        for n in range(20):
            if n == 1:  # the first is on its way
                answered.wait()
            yield ("put.add", {"n": n})

    b24 = Session(sys.argv[1], limits=None, concurrency=4, clock=FakeClock())
    stream = b24.stream_batch(calls(), chunk_size=1)
    print(next(stream).status, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", "sys.exit(3)"])
def test_a_program_that_ends(portal, gate, ending):
    """A program may end while requests are on their way: nothing keeps it, not even a clock that stands still."""
    portal.fail_next(gate, times=3, after=1)
    ended = run_program(portal, textwrap.dedent(BEGUN) + ending)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3 if ending else 0, "ok\n", "")


@pytest.mark.slow
def test_a_fork_within_a_stream(portal, gate):
    """A forked child that drops its parent's stream does not wait for threads that it does not have."""
    portal.fail_next(gate, times=3, after=1)
    fork = """
    import os
    child = os.fork()
    if not child:
        stream.close()
        print(len(stream.result), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    os._exit(0)
    """
    ended = run_program(portal, textwrap.dedent(BEGUN) + textwrap.dedent(fork))
    assert (ended.returncode, ended.stdout) == (0, "ok\n3\n"), ended.stderr


@pytest.mark.slow
def test_no_thread_to_be_had(portal):
    """If the system gives no thread, the commands are skipped, not unknown: nothing was sent; in an `except`, too."""
    program = """
    import sys, threading
    from b24batch import Session

    def run():
        try:
            b24.batch_by_chunk([("put.add", {"n": n}) for n in range(3)], chunk_size=1)
        except (RuntimeError, MemoryError) as error:
            print({row.status for row in error.result})

    b24 = Session(sys.argv[1], limits=None, concurrency=4)
    threading.stack_size(1 << 46)
    run()
    try:
        raise LookupError
    except LookupError:
        run()
    """
    ended = run_program(portal, program)
    assert (ended.stdout, ended.stderr) == ("{'skipped'}\n" * 2, "")
    assert portal.requests == []


# What is left


def test_nothing_is_left(portal, b24):
    """A run leaves no cycle of references behind: all of it is freed at once."""
    gc.collect()
    gc.disable()
    before = len(parts_of_runs())
    try:
        result = b24.batch_by_chunk(PUTS, chunk_size=4)
        rows = list(b24.stream_batch(PUTS, chunk_size=4))
        assert len(parts_of_runs()) == before
    finally:
        gc.enable()
    assert len(result) == len(rows) == 40


def parts_of_runs():
    """What runs are made of and is in memory, of earlier tests too."""
    kinds = {"Lanes", "Sending", "ConcurrentRun", "OpenChunk", "ChunkRun", "Run", "Requests"}
    return [each for each in gc.get_objects() if type(each).__name__ in kinds]


def test_secrets(portal, b24, caplog):
    """No error of a concurrent run shows a secret, nor does its traceback with locals."""
    caplog.set_level("DEBUG")
    code = portal.url.rstrip("/").rpartition("/")[2]
    portal.fail_next("lost_after", times=1)
    portal.fail_next("unauthorized", after=1)
    rows = b24.batch_by_chunk(PUTS, chunk_size=4).rows
    for row in rows:
        if row.error is not None:
            assert_hidden([code], row.error, caplog.records)
    limits = FailingLimiter()
    with portal.session(limits=limits, concurrency=2) as other, pytest.raises(Trouble) as raised:
        other.batch_by_chunk(PUTS, chunk_size=4)
    assert_hidden([code], raised.value)


# Stress


@pytest.mark.slow
def test_threads_that_switch_all_the_time(portal):
    """With a switch of threads at every chance, through faults and references, every outcome is true and in order."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with portal.session(retries=AT_ONCE, concurrency=8) as b24:
            for round_ in range(10):
                stress(portal, b24, round_)
    finally:
        sys.setswitchinterval(before)


FAULTS = ["lost_after", "lost_before", "rate_limited", "half_body", "html_502", "json_500", "closes"]


def stress(portal, b24, round_):
    base = 1000 * round_
    calls = [("put.add", {"n": base + n}) for n in range(90)]
    for n in range(10, 90, 10):
        calls[n] = ("put.add", {"n": base + n, "after": ref(n - random.randrange(1, 10))})
    for _ in range(4):
        portal.fail_next(random.choice(FAULTS), after=random.randrange(12))
    rows = list(getattr(b24, ("batch_by_chunk", "stream_batch")[round_ % 2])(calls, chunk_size=7))
    assert [row.command.params["n"] for row in rows] == [base + n for n in range(90)]
    ran = Counter(written(portal))
    for n, row in enumerate(rows):
        allowed = {"ok": {1}, "failed": {0}, "skipped": {0}, "unknown": {0, 1}}[row.status]
        assert ran[base + n] in allowed
        assert row.status != "ok" or int(row.data) == base + n

"""The rate, simulated: the portal's limit is met and never hit, in the least time it allows."""

import threading

import gates
import pytest

from b24batch import LeakyBucket, RateLimited, Session
from b24batch.sandbox import Answer, FakeClock, Portal
from b24batch.wire import rate as limits
from b24batch.wire.rate import Limiter, shared_bucket

COMMANDS = [("server.time", {"n": n}) for n in range(200)]


def refusals(waits):
    return [wait for wait in waits if wait.reason == "retry"]


def test_two_hundred_requests():
    """200 requests at 50 and 2/s take 75.5 simulated seconds, 75.0 being the least possible, with no refusal."""
    clock, waits = FakeClock(), []
    with Portal(clock=clock, rate=(50, 2.0)) as portal:
        b24 = Session(portal.url, clock=clock, on_wait=waits.append)
        assert b24.batch_by_chunk(COMMANDS, chunk_size=1).is_success
        assert len(portal.requests) == 200
    assert clock.monotonic() == pytest.approx(75.5)
    assert refusals(waits) == []


@pytest.fixture
def delayed():
    """A clock, and a way to a portal on which the first request takes 0.3 seconds before it arrives."""
    clock = FakeClock()
    with Portal(clock=clock, rate=(50, 2.0)) as portal, gates.Gate(port_of(portal)) as gate:

        def first(gate, connection):
            gate.mode = gates.relay
            clock.sleep(0.3)
            gates.relay(gate, connection)

        gate.mode = first
        yield clock, portal.url.replace(str(port_of(portal)), str(gate.port))


def port_of(portal):
    return int(portal.url.split(":")[2].split("/")[0])


@pytest.mark.slow
def test_a_slow_first_request(delayed):
    """When the first request arrives 0.3 s later than the rest, so that they catch up with it, none is refused."""
    clock, url = delayed
    waits = []
    assert Session(url, clock=clock, on_wait=waits.append).batch_by_chunk(COMMANDS, chunk_size=1).is_success
    assert clock.monotonic() == pytest.approx(75.5)
    assert refusals(waits) == []


@pytest.mark.slow
def test_why_one_place_is_kept_free(delayed):
    """A client that plans with all 50 places is refused then."""
    clock, url = delayed
    waits = []
    greedy = LeakyBucket(51, 2.0, clock=clock)
    b24 = Session(url, clock=clock, limits=greedy, on_wait=waits.append)
    assert b24.batch_by_chunk(COMMANDS, chunk_size=1).is_success
    assert len(refusals(waits)) > 0


def run_in_threads(clock, sessions, threads):
    results = []

    def work(number):
        with clock.working():
            share = COMMANDS[number::threads]
            results.append(sessions[number % len(sessions)].batch_by_chunk(share, chunk_size=1))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def test_eight_threads_and_three_sessions():
    """8 threads with 3 sessions on one portal keep one rate together: the same time, no refusal."""
    clock, waits = FakeClock(threads=8), []
    with Portal(clock=clock, rate=(50, 2.0)) as portal:
        sessions = [Session(portal.url, clock=clock, on_wait=waits.append) for _ in range(3)]
        results = run_in_threads(clock, sessions, 8)
        assert len(portal.requests) == 200
    assert all(result.is_success for result in results)
    assert clock.monotonic() == pytest.approx(75.5)
    assert refusals(waits) == []


def test_an_enterprise_portal():
    """500 requests at 250 and 5/s take at most 50.5 simulated seconds."""
    clock, waits = FakeClock(), []
    with Portal(clock=clock, rate=(250, 5.0), record=False) as portal:
        bucket = LeakyBucket(250, 5.0, clock=clock)
        b24 = Session(portal.url, clock=clock, limits=bucket, on_wait=waits.append)
        assert b24.batch_by_chunk([("server.time",)] * 500, chunk_size=1).is_success
    assert clock.monotonic() <= 50.5
    assert refusals(waits) == []


@pytest.mark.slow
def test_an_alien_client():
    """When others have filled the portal's bucket, a run is refused, slows down, and ends complete."""
    clock, waits = FakeClock(), []
    writes = [("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(2500)]
    with Portal(clock=clock, rate=(50, 2.0)) as portal:
        with portal.session(limits=None) as alien:
            for _ in range(50):
                alien.call("user.current")
        result = Session(portal.url, clock=clock, on_wait=waits.append).batch_by_chunk(writes)
        titles = [ran.params["fields"]["TITLE"] for ran in portal.executed if ran.method == "crm.deal.add"]
    assert result.is_success
    assert titles == [str(n) for n in range(2500)]
    assert 1 <= len(refusals(waits)) <= 5
    assert clock.monotonic() < 40


def test_max_wait_of_zero():
    """With max_wait=0 nothing sleeps: the run says which commands the rate has no room for, and when."""
    clock = FakeClock()
    with Portal(clock=clock, rate=(50, 2.0)) as portal:
        b24 = Session(portal.url, clock=clock, max_wait=0)
        result = b24.batch_by_chunk(COMMANDS[:51], chunk_size=1)
        assert [row.status for row in result] == ["ok"] * 49 + ["failed"] * 2
        assert result[49].error.retry_after == pytest.approx(0.5)
        assert len(portal.requests) == 49
        assert len(result.remaining()) == 2
    assert clock.slept == []


def test_buckets_do_not_pile_up(clock):
    """A program that is told ever new hosts keeps a bounded number of buckets, and each that is not empty."""
    busy = shared_bucket("busy.example.com", clock)
    busy.acquire()
    for number in range(3000):
        shared_bucket(f"{number}.example.com", clock)
    assert len(limits._shared) <= limits._MANY + 1
    assert shared_bucket("busy.example.com", clock) is busy


class Turnstile:
    """A limiter of one's own: counts the requests, tells of a wait, and refuses them when it is shut."""

    def __init__(self):
        self.passed, self.penalties, self.shut = [], [], False

    @property
    def level(self):
        return float(len(self.passed))

    def acquire(self, *, max_wait, on_wait):
        if self.shut:
            raise RateLimited("shut", retry_after=9.0)
        on_wait(0.25)
        self.passed.append(max_wait)

    def penalize(self, seconds):
        self.penalties.append(seconds)


def test_a_limiter_of_ones_own(clock):
    """Anything with acquire, penalize and level paces every attempt of a session, and is told what the portal says."""
    turnstile, waits = Turnstile(), []
    with Portal(clock=clock) as portal, portal.session(clock=clock, limits=turnstile, max_wait=5) as b24:
        portal.fail_next(Answer('{"error":"QUERY_LIMIT_EXCEEDED"}', 503, {"Retry-After": "2"}))
        assert b24.with_options(on_wait=waits.append).batch([("server.time",)]).is_success
        assert (turnstile.passed, turnstile.penalties) == ([5.0, 5.0], [2.0])
        assert [(wait.reason, wait.seconds, wait.attempt) for wait in waits] == [
            ("rate", 0.25, 1),
            ("retry", 2.0, 2),
            ("rate", 0.25, 2),
        ]
        assert "2 requests" in b24._repr_html_()
        turnstile.shut = True
        with pytest.raises(RateLimited, match="shut"):
            b24.call("echo")
        assert len(portal.requests) == 2


def test_a_refusal_without_a_hint(portal):
    """A refusal for the rate that asks for no pause slows a limiter down for no longer than its own pace."""
    turnstile = Turnstile()
    portal.fail_next(Answer('{"error":"QUERY_LIMIT_EXCEEDED"}', 503))
    with portal.session(limits=turnstile, clock=FakeClock()) as b24:
        assert b24.call("server.time").is_success
    assert turnstile.penalties == [0.0]


@pytest.mark.parametrize(
    "limits", [5, "2/s", LeakyBucket, Turnstile, FakeClock()], ids=["number", "text", "class", "own class", "clock"]
)
def test_what_is_no_limiter(limits):
    """What lacks one of the three, or is a class, is refused when the session is made."""
    with pytest.raises(TypeError, match=r"limits: expected a LeakyBucket, another b24batch\.wire\.Limiter or None"):
        Session("https://example.bitrix24.com/rest/1/code/", limits=limits)
    assert isinstance(LeakyBucket(), Limiter)

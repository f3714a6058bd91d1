"""The clock that portals and clients share."""

from __future__ import annotations

import doctest
import itertools
import threading
import time

import pytest
from sandbox_wire import Wire

from b24batch import LeakyBucket
from b24batch.sandbox import FakeClock, Portal, fake_clock


def run(*works):
    """Run each function in a thread of its own until all have ended."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def until(condition):
    """Wait for what happens in another thread."""
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not happen")


def test_the_example():
    """The examples of the docstring are true."""
    failed, attempted = doctest.testmod(fake_clock)
    assert failed == 0 < attempted


def test_sleeping_moves_the_clock(clock):
    """A sleep takes its seconds by the clock, none in reality, and is remembered."""
    began = time.monotonic()
    for seconds in (0.5, 3600, 0, 0.25):
        clock.sleep(seconds)
    assert (clock.monotonic(), clock.slept) == (3600.75, [0.5, 3600, 0, 0.25])
    assert time.monotonic() - began < 600


def test_it_starts_at_a_moment_one_can_read(clock):
    """The clock starts with the year 2026, and both its times go together."""
    assert (clock.monotonic(), time.strftime("%F %T", time.gmtime(clock.time()))) == (0, "2026-01-01 00:00:00")
    clock.sleep(86400)
    assert time.strftime("%F", time.gmtime(clock.time())) == "2026-01-02"


def test_time_does_not_go_back(clock):
    """A negative sleep is an error."""
    with pytest.raises(ValueError, match="seconds is invalid: expected 0 or more, got -1"):
        clock.sleep(-1)
    assert clock.slept == []


def test_advance(clock):
    """Time can pass without a sleep."""
    clock.advance(2.5)
    assert (clock.monotonic(), clock.slept) == (2.5, [])


def test_advance_wakes():
    """Whoever should be awake by then is woken, and no other; the clock stands where it was moved to."""
    clock, woken = FakeClock(threads=3), []

    def work(seconds):
        clock.sleep(seconds)
        woken.append(seconds)

    threads = [threading.Thread(target=work, args=(seconds,), daemon=True) for seconds in (5, 20)]
    for thread in threads:
        thread.start()
    until(lambda: len(clock.slept) == 2)
    clock.advance(4)
    assert woken == []
    clock.advance(4)
    until(lambda: woken == [5])
    assert clock.monotonic() == 8
    clock.advance(12)
    until(lambda: woken == [5, 20])


def test_several_threads_wake_in_order():
    """Each thread wakes at its own moments, and all of them in the order of these moments."""
    clock, seen = FakeClock(threads=3), []

    def work(step):
        with clock.working():
            for count in range(1, 13):
                clock.sleep(step)
                seen.append(clock.monotonic())
                assert clock.monotonic() == step * count

    run(*(lambda step=step: work(step) for step in (0.5, 0.75, 2.0)))
    assert seen == sorted(seen)
    assert len(seen) == 36


def test_equals_wake_in_the_order_in_which_they_fell_asleep():
    """Of two that wake at one moment the first goes first, and the second when that one sleeps or leaves."""
    clock, woken = FakeClock(threads=4), []

    def work(place):
        until(lambda: len(clock.slept) == place)
        with clock.working():
            clock.sleep(1.0)
            woken.append(place)

    run(*(lambda place=place: work(place) for place in range(4)))
    assert (woken, clock.monotonic()) == ([0, 1, 2, 3], 1.0)


def test_a_sleep_of_none_does_not_wait():
    """Nobody waits for others to sleep zero seconds."""
    clock = FakeClock(threads=2)
    clock.sleep(0)
    assert clock.monotonic() == 0


def test_a_thread_that_fails_holds_up_nobody():
    """The others go on when one has failed."""
    clock = FakeClock(threads=3)

    def fail():
        with pytest.raises(KeyError), clock.working():
            clock.sleep(1)
            raise KeyError

    def work():
        with clock.working():
            for _ in range(5):
                clock.sleep(2)

    run(fail, work, work)
    assert clock.monotonic() == 10


def test_when_all_have_left():
    """The last threads leave the clock to whoever sleeps then, such as the test itself."""
    clock = FakeClock(threads=2)

    def work():
        with clock.working():
            clock.sleep(1)

    run(work, work)
    clock.sleep(5)
    assert clock.monotonic() == 6


def test_a_clock_that_would_stand_still_for_ever():
    """A sleeper that waits in vain gets an error that tells how many sleep, and is no sleeper then."""
    clock = FakeClock(threads=2, patience=0.05)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="time stands still: 1 of 2 threads sleep"):
            clock.sleep(1)
    assert clock.monotonic() == 0


@pytest.mark.slow
def test_patience_is_for_all():
    """A long sleeper waits as long as the others do something."""
    clock, ends = FakeClock(threads=2, patience=0.5), threading.Event()

    def long():
        with clock.working():
            clock.sleep(1000)
            ends.set()

    def busy():
        with clock.working():
            for _ in range(60):
                threading.Event().wait(0.01)
                clock.sleep(1)

    run(long, busy)
    assert ends.is_set()
    assert clock.monotonic() == 1000


def test_an_event_ends_a_sleep():
    """A sleep that is cut short by an event lets no time pass, and later ones do not begin."""
    clock, event = FakeClock(threads=2), threading.Event()
    sleeper = threading.Thread(target=clock.wait, args=(event, 100), daemon=True)
    sleeper.start()
    until(lambda: clock.slept == [100])
    event.set()
    sleeper.join(5)
    clock.wait(event, 100)
    assert (sleeper.is_alive(), clock.monotonic(), clock.slept) == (False, 0, [100])


def test_a_portal_sleeps_in_the_place_of_its_client():
    """While one client waits for a slow answer and the other sleeps, time passes for both."""
    clock, seen = FakeClock(threads=2), {}
    with Portal(clock) as portal:
        portal.fail_next("slow", seconds=10)

        def ask():
            with clock.working():
                Wire(portal).call("server.time")
                seen["asked"] = clock.monotonic()

        def sleep():
            until(lambda: portal.executed)
            with clock.working():
                for _ in range(4):
                    clock.sleep(3)
                    seen[clock.monotonic()] = "asked" in seen

        run(ask, sleep)
    assert seen == {"asked": 10, 3: False, 6: False, 9: False, 12: True}


def test_a_run_at_the_portals_rate(clock):
    """75 simulated seconds of requests at the portal's rate take no real time and meet no refusal."""
    with Portal(clock, rate=(50, 2.0)) as portal, portal.session(limits=LeakyBucket(clock=clock)) as b24:
        for _ in range(200):
            b24.call("server.time")
        assert len(portal.requests) == len(portal.executed) == 200
    assert clock.monotonic() == 75.5


def test_a_run_of_several_threads():
    """Several threads that share a rate take the time that one would take."""
    clock, turns = FakeClock(threads=8), itertools.count()
    limits = LeakyBucket(clock=clock)
    with Portal(clock, rate=(50, 2.0)) as portal, portal.session(limits=limits) as b24:

        def work():
            with clock.working():
                while next(turns) < 100:
                    b24.call("server.time")

        run(*[work] * 8)
        assert len(portal.requests) == len(portal.executed) == 100
    assert clock.monotonic() == 25.5

"""A clock for tests, whose time advances only when something sleeps."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
from collections.abc import Iterator
from typing import NamedTuple

#: When a `FakeClock` starts: 2026-01-01T00:00:00Z.
START = 1_767_225_600.0

#: Seconds of real time between checks of whether a sleep should end early.
_LOOK = 0.02


class _Sleeper(NamedTuple):
    moment: float
    turn: int
    woken: threading.Event


class FakeClock:
    """A clock for a portal and its clients. Its time advances only when something sleeps, and then without waiting.

    >>> from b24batch import LeakyBucket
    >>> from b24batch.sandbox import FakeClock, Portal
    >>> clock = FakeClock()
    >>> with Portal(clock, rate=(50, 2.0)) as portal:
    ...     with portal.session(limits=LeakyBucket(clock=clock)) as b24:
    ...         for _ in range(61):
    ...             taken = b24.call("server.time")
    >>> clock.monotonic()
    6.0

    If several threads use the clock, pass their number. Time then stands still until all of them sleep. It advances
    to the earliest wake-up time and wakes that thread; if several have the same time, the one that fell asleep first.
    A sleep of the portal counts as a sleep of the client that waits for the answer. A method registered in the portal
    must not sleep, since no other method can run meanwhile. Run each thread inside ``with clock.working():``, so that
    the others do not wait for a thread that has ended or failed:

    >>> import threading
    >>> clock = FakeClock(threads=3)
    >>> def work():
    ...     with clock.working():
    ...         for _ in range(100):
    ...             clock.sleep(0.5)
    >>> threads = [threading.Thread(target=work) for _ in range(3)]
    >>> for thread in threads:
    ...     thread.start()
    >>> for thread in threads:
    ...     thread.join()
    >>> clock.monotonic()
    50.0

    Args:
        threads: The number of threads that must sleep before time advances; default 1.
        patience: Seconds of real time without a new sleep after which a sleep fails; default 30.

    Attributes:
        slept: The seconds of all sleeps, in the order in which they began.

    """

    def __init__(self, threads: int = 1, *, patience: float = 30.0) -> None:
        """Start at 0 seconds, on 2026-01-01."""
        self.slept: list[float] = []
        self._threads = threads
        self._patience = patience
        self._now = 0.0
        self._lock = threading.Lock()
        self._turns = itertools.count()
        self._sleepers: list[_Sleeper] = []
        self._moves = 0

    def monotonic(self) -> float:
        """Return the seconds that have passed on this clock."""
        return self._now

    def time(self) -> float:
        """Return the seconds since 1970."""
        return START + self._now

    def sleep(self, seconds: float) -> None:
        """Sleep for this many seconds of the clock; 0 returns at once.

        Raises:
            ValueError: `seconds` is negative.
            RuntimeError: Some of the threads neither slept nor ended within ``patience`` seconds of real time.

        """
        self.wait(None, seconds)

    def wait(self, event: threading.Event | None, seconds: float) -> None:
        """Sleep, but return as soon as an event is set, without advancing the time further."""
        if seconds < 0:
            raise ValueError(f"seconds is invalid: expected 0 or more, got {seconds}")
        if event is not None and event.is_set():
            return
        with self._lock:
            self.slept.append(seconds)
            sleeper = _Sleeper(self._now + seconds, next(self._turns), threading.Event())
            if seconds:
                heapq.heappush(self._sleepers, sleeper)
                self._wake()
        if seconds:
            self._await(sleeper, event)

    def advance(self, seconds: float) -> None:
        """Advance the time without a sleep, and wake all threads whose sleep is over."""
        with self._lock:
            self._now += seconds
            while self._sleepers and self._sleepers[0].moment <= self._now:
                self._wake_next()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Count as one of the threads during the block; afterwards the others do not wait for this one."""
        try:
            yield
        finally:
            with self._lock:
                self._threads -= 1
                self._wake()

    def _wake(self) -> None:
        """Wake the next thread if all threads sleep."""
        self._moves += 1
        while len(self._sleepers) >= max(self._threads, 1):
            self._wake_next()

    def _wake_next(self) -> None:
        sleeper = heapq.heappop(self._sleepers)
        self._now = max(self._now, sleeper.moment)
        self._moves += 1
        sleeper.woken.set()

    def _await(self, sleeper: _Sleeper, event: threading.Event | None) -> None:
        step = self._patience if event is None else min(_LOOK, self._patience)
        seen, quiet = self._moves, 0.0
        try:
            while not sleeper.woken.wait(step) and not (event and event.is_set()):
                seen, quiet = self._moves, quiet + step if seen == self._moves else 0.0
                if quiet >= self._patience:
                    raise RuntimeError(f"time stands still: {len(self._sleepers)} of {self._threads} threads sleep")
        finally:
            self._forget(sleeper)

    def _forget(self, sleeper: _Sleeper) -> None:
        with self._lock:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

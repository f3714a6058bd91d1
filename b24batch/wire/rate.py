"""The rate: a portal takes so many requests at once, and then so many per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import attrs

from b24batch.errors import RateLimited
from b24batch.locks import ProcessLock

#: Added to the moment the portal names, which it rounds to whole seconds.
OPERATING_MARGIN = 1.0
#: The portal counts operating time in buckets of a minute.
OPERATING_STEP = 60.0
#: Seconds, as long as a `RetryPolicy` waits by default: one odd figure must not stop all sessions on a portal.
MAX_PENALTY = 120.0
#: Unix time of the last second that a date can have, that of the year 9999.
_LATEST = 253_402_300_799


class Clock(Protocol):
    """What tells the time and lets it pass; the module `time` is one. All figures are seconds."""

    def monotonic(self) -> float:
        """Return a time that never runs backwards."""

    def time(self) -> float:
        """Return the Unix time."""

    def sleep(self, seconds: float, /) -> None:
        """Return after `seconds`."""


@attrs.frozen
class Wait:
    """A wait that is about to begin, as `on_wait` is told of it.

    Attributes:
        reason: ``rate``: a place in the bucket; ``retry``: a request is sent again; ``operating``: a method has
            used up its operating time.
        seconds: How long it will take.
        attempt: Which attempt of the request follows, from 1.
        request_id: Of the request that waits.
    """

    reason: Literal["rate", "retry", "operating"]
    seconds: float
    attempt: int
    request_id: str


@attrs.define(eq=False)
class LeakyBucket:
    """The portal's counter of requests, kept here so that it never overflows there.

    Each request is a drop; the bucket leaks steadily, and who finds it full waits. Whoever asks first goes first,
    from any thread. Processes do not know of each other: give each its share of the rate.

    Args:
        capacity: Requests that a portal at rest takes at once. One less is planned with, since requests reach the
            portal less evenly than they are sent. Documented: 50, Enterprise 250.
        leak_rate: Requests per second after that. Documented: 2, Enterprise 5.
        clock: Where time comes from.

    Raises:
        ValueError: For a capacity under 2 or a leak rate that is not positive.
    """

    capacity: int = attrs.field(default=50, validator=attrs.validators.ge(2))
    leak_rate: float = attrs.field(default=2.0, validator=attrs.validators.gt(0))
    clock: Clock = attrs.field(default=time, kw_only=True, repr=False)
    #: When the bucket will have run empty, by the clock (the generic cell rate algorithm).
    _empty_at: float = attrs.field(default=float("-inf"), init=False, repr=False)
    #: What the clock said last.
    _seen: float = attrs.field(default=float("-inf"), init=False, repr=False)
    _lock: ProcessLock = attrs.field(factory=ProcessLock, init=False, repr=False)

    @classmethod
    def enterprise(cls) -> LeakyBucket:
        """Return a bucket with the documented figures of the Enterprise plan."""
        return cls(capacity=250, leak_rate=5.0)

    @property
    def level(self) -> float:
        """The requests that have not leaked out yet, 0 at rest; from one under `capacity` on, the next one waits."""
        return max(0.0, self._empty_at - max(self._seen, self.clock.monotonic())) * self.leak_rate

    def acquire(self, *, max_wait: float | None = None, on_wait: Callable[[float], None] | None = None) -> float:
        """Take the next free place, wait for it, and return the seconds waited.

        Args:
            max_wait: The longest wait in seconds that is accepted; None accepts any.
            on_wait: Called with the seconds before the wait begins, when there is one.

        Raises:
            RateLimited: When the wait would be longer; no place was taken, and `retry_after` is the wait.
        """
        wait = self._reserve(max_wait)
        if wait > 0:
            if on_wait is not None:
                on_wait(wait)
            self.clock.sleep(wait)
        return wait

    def penalize(self, seconds: float = 0.0) -> None:
        """Take the bucket for full, and for `seconds` not leaking: the portal refused a request.

        Others that share the portal's counter, from the same address, are seen only by this. Over 120 seconds count
        as 120, less than none and what is no number as none: whoever asks too early is refused again and no worse off.
        """
        with self._lock.lock:
            pause = min(seconds, MAX_PENALTY) if seconds > 0 else 0.0
            full_until = self._now() + pause + (self.capacity - 1) / self.leak_rate
            self._empty_at = max(self._empty_at, full_until)

    def _now(self) -> float:
        """Return the time; a clock that has stepped back takes the bucket with it, or all would wait for the step."""
        now = self.clock.monotonic()
        if now < self._seen:
            self._empty_at -= self._seen - now
        self._seen = now
        return now

    def _reserve(self, max_wait: float | None) -> float:
        with self._lock.lock:
            now = self._now()
            empty_at = max(self._empty_at, now) + 1 / self.leak_rate
            wait = max(0.0, empty_at - now - (self.capacity - 1) / self.leak_rate)
            if max_wait is not None and wait > max_wait:
                raise RateLimited(
                    f"the next request may leave in {wait:.2f} s, later than max_wait={max_wait} allows",
                    retry_after=wait,
                )
            self._empty_at = empty_at
            return wait


class OperatingTime:
    """When the portal frees each method's operating time, learnt from the ``time`` blocks of its answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: When it was learnt, and how long it took from then on.
        self._free: dict[str, tuple[float, float]] = {}
        self._reset_at: dict[str, float] = {}

    def note(self, method: str, time_block: object) -> None:
        """Learn from the ``time`` block of an answer of `method`; figures that cannot be teach nothing."""
        match time_block:
            case {"operating_reset_at": reset_at, "finish": finish} if _is_time(reset_at) and _is_time(finish):
                # The portal's clock may differ from ours, so only its differences count.
                self._free[method] = self._clock.monotonic(), reset_at - finish + OPERATING_MARGIN
                self._reset_at[method] = reset_at

    def reset_at(self, method: str) -> float | None:
        """Return the Unix time at which the portal starts to free `method`; None when it never said."""
        return self._reset_at.get(method)

    def wait_for(self, methods: Iterable[str]) -> float:
        """Return the seconds until all of `methods`, which were blocked, may be tried again."""
        now = self._clock.monotonic()
        known = [self._free.get(method, (now, 0.0)) for method in methods]
        # Since then no time less than none has passed, whatever the clock says.
        waits = [seconds - max(0.0, now - learnt) for learnt, seconds in known]
        return max(seconds if seconds > 0 else OPERATING_STEP for seconds in waits)


def _is_time(value: object) -> bool:
    """Return whether a value of an answer can be a Unix time in seconds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST


_shared: dict[tuple[str, int], LeakyBucket] = {}
#: Anybody can name hosts to an application, and each gets a bucket: from so many on those that ran empty are dropped.
_MANY = 1000


def shared_bucket(host: str, clock: Clock) -> LeakyBucket:
    """Return the one bucket that all sessions of this process on the portal `host` share."""
    for key in [key for key, bucket in _shared.copy().items() if not bucket.level] if len(_shared) >= _MANY else ():
        _shared.pop(key, None)
    return _shared.setdefault((host, id(clock)), LeakyBucket(clock=clock))

"""Rate limiting: a portal accepts a burst of requests, and then a fixed number per second."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import attrs

from b24batch.clock import Clock
from b24batch.errors import RateLimited
from b24batch.locks import ProcessLock
from b24batch.wire.checks import check_capacity, check_rate, validate_with

#: Seconds, the default ``total_wait`` of a `RetryPolicy`: one wrong number must not stop all sessions on a portal.
MAX_PENALTY = 120.0


@runtime_checkable
class Limiter(Protocol):
    """The interface of a rate limiter: a `LeakyBucket`, or your own, for example one that processes share."""

    __slots__ = ()

    @property
    def level(self) -> float:
        """The requests that count against the limit now, shown in notebooks."""

    def acquire(self, *, max_wait: float | None, on_wait: Callable[[float], None]) -> object:
        """Block until the next request may be sent.

        Args:
            max_wait: The longest acceptable wait in seconds; None means no limit.
            on_wait: Call it with the seconds of a wait before the wait begins.

        Raises:
            RateLimited: The wait would be longer than `max_wait`; its `retry_after` is the wait in seconds.
        """

    def penalize(self, seconds: float) -> None:
        """Slow down: the portal refused a request for its rate and asked for a pause of `seconds`, or 0."""


#: Seconds up to which a wait is the rounding of a clock's large figures.
_ROUNDING = 1e-6


class ReservingLimiter(Limiter):
    """A limiter whose callers first take a slot and then wait for it, so that they are served in order."""

    __slots__ = ()
    capacity: int
    leak_rate: float
    clock: Clock

    def acquire(self, *, max_wait: float | None = None, on_wait: Callable[[float], None] | None = None) -> float:
        """Reserve the next free slot, wait for it, and return the seconds waited.

        Args:
            max_wait: The longest acceptable wait in seconds; None means no limit.
            on_wait: Called with the seconds of a wait before the wait begins.

        Raises:
            RateLimited: The wait would be longer than `max_wait`. No slot was taken; `retry_after` is the wait in
                seconds.
        """
        wait = self._reserve(max_wait)
        if max_wait is not None and wait > max_wait:
            raise RateLimited(
                f"the next request may be sent in {wait:.2f} s, later than max_wait={max_wait} allows",
                retry_after=wait,
            )
        if wait > 0:
            if on_wait is not None:
                on_wait(wait)
            self.clock.sleep(wait)
        return wait

    @abc.abstractmethod
    def _reserve(self, max_wait: float | None) -> float:
        """Return the seconds until the next free slot, and take it unless they are more than `max_wait`."""


def to_pause(seconds: float) -> float:
    """Return the pause of a penalty: at most `MAX_PENALTY`; negative numbers and NaN count as 0."""
    return min(max(0.0, seconds), MAX_PENALTY)


@attrs.define(eq=False)
class LeakyBucket(ReservingLimiter):
    """A rate limiter that mirrors the portal's own request counter, so that the portal never refuses for its rate.

    Each request adds one drop; the bucket leaks steadily, and callers that find it full wait. Callers are served in
    order, across all threads. Processes do not share it: use a `b24batch.redis.RedisBucket`, or give each process its
    share of the rate.

    Args:
        capacity: Requests that an idle portal accepts at once. The bucket uses one less, since requests arrive less
            evenly than they are sent. Default 50, as documented; 250 on the Enterprise plan.
        leak_rate: Requests per second after that. Default 2, as documented; 5 on the Enterprise plan.
        clock: The source of time; default the `time` module.

    Raises:
        UsageError: `capacity` is not a whole number of at least 2, or `leak_rate` is not a positive number.
    """

    capacity: int = attrs.field(default=50, validator=validate_with(check_capacity))
    leak_rate: float = attrs.field(default=2.0, validator=validate_with(check_rate))
    clock: Clock = attrs.field(default=time, kw_only=True, repr=False)
    #: When the bucket will be empty, by the clock (the generic cell rate algorithm).
    _empty_at: float = attrs.field(default=float("-inf"), init=False, repr=False)
    #: The last time that the clock returned.
    _seen: float = attrs.field(default=float("-inf"), init=False, repr=False)
    _lock: ProcessLock = attrs.field(factory=ProcessLock, init=False, repr=False)

    @classmethod
    def enterprise(cls) -> LeakyBucket:
        """Return a bucket with the documented rate of the Enterprise plan: 250 requests, then 5 per second."""
        return cls(capacity=250, leak_rate=5.0)

    @property
    def level(self) -> float:
        """The requests that have not leaked out yet, 0 when idle. At ``capacity - 1`` the next request waits."""
        return max(0.0, self._empty_at - max(self._seen, self.clock.monotonic())) * self.leak_rate

    def penalize(self, seconds: float = 0.0) -> None:
        """Mark the bucket full, and let nothing leak for `seconds`: the portal refused a request.

        This is how the bucket learns of other programs that use up the portal's rate from the same IP address. More
        than 120 seconds count as 120; negative numbers and NaN count as 0.
        """
        with self._lock.lock:
            full_until = self._now() + to_pause(seconds) + (self.capacity - 1) / self.leak_rate
            self._empty_at = max(self._empty_at, full_until)

    def _now(self) -> float:
        """Return the time; if the clock has stepped back, move the bucket back too, so that no caller waits for it."""
        now = self.clock.monotonic()
        if now < self._seen:
            self._empty_at -= self._seen - now
        self._seen = now
        return now

    def _reserve(self, max_wait: float | None) -> float:
        with self._lock.lock:
            now = self._now()
            empty_at = max(self._empty_at, now) + 1 / self.leak_rate
            wait = empty_at - now - (self.capacity - 1) / self.leak_rate
            wait = wait if wait > _ROUNDING else 0.0
            if max_wait is None or wait <= max_wait:
                self._empty_at = empty_at
            return wait


_shared: dict[tuple[str, int], LeakyBucket] = {}
#: Posted forms can name any host, and each host gets a bucket: from this number on, empty buckets are dropped.
_MANY = 1000


def shared_bucket(host: str, clock: Clock) -> LeakyBucket:
    """Return the bucket that all sessions of this process for the portal `host` share."""
    for key in [key for key, bucket in _shared.copy().items() if not bucket.level] if len(_shared) >= _MANY else ():
        _shared.pop(key, None)
    return _shared.setdefault((host, id(clock)), LeakyBucket(clock=clock))


def forget_shared_buckets(host: str) -> None:
    """Drop the shared bucket for the portal `host`; later sessions start with an empty one, as in a new process."""
    for key in [key for key in _shared.copy() if key[0] == host]:
        _shared.pop(key, None)

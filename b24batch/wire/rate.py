"""The rate: a portal takes so many requests at once, and then so many per second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import attrs

from b24batch.clock import Clock
from b24batch.errors import RateLimited
from b24batch.locks import ProcessLock

#: Seconds, as long as a `RetryPolicy` waits by default: one odd figure must not stop all sessions on a portal.
MAX_PENALTY = 120.0


@runtime_checkable
class Limiter(Protocol):
    """What paces the requests of a session: a `LeakyBucket`, or a limiter of one's own, shared by processes say."""

    @property
    def level(self) -> float:
        """The requests that count at present, as a notebook shows them."""

    def acquire(self, *, max_wait: float | None, on_wait: Callable[[float], None]) -> object:
        """Return when the next request may leave.

        Args:
            max_wait: The longest wait in seconds that is accepted; None accepts any.
            on_wait: To be called with the seconds of a wait before it begins.

        Raises:
            RateLimited: The wait would be longer; its `retry_after` is the wait.
        """

    def penalize(self, seconds: float) -> None:
        """Slow down: the portal refused a request for its rate, and asks for a pause of `seconds`, or 0."""


#: Seconds up to which a wait is the rounding of a clock's large figures.
_ROUNDING = 1e-6


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
            wait = empty_at - now - (self.capacity - 1) / self.leak_rate
            wait = wait if wait > _ROUNDING else 0.0
            if max_wait is not None and wait > max_wait:
                raise RateLimited(
                    f"the next request may leave in {wait:.2f} s, later than max_wait={max_wait} allows",
                    retry_after=wait,
                )
            self._empty_at = empty_at
            return wait


_shared: dict[tuple[str, int], LeakyBucket] = {}
#: Anybody can name hosts to an application, and each gets a bucket: from so many on those that ran empty are dropped.
_MANY = 1000


def shared_bucket(host: str, clock: Clock) -> LeakyBucket:
    """Return the one bucket that all sessions of this process on the portal `host` share."""
    for key in [key for key, bucket in _shared.copy().items() if not bucket.level] if len(_shared) >= _MANY else ():
        _shared.pop(key, None)
    return _shared.setdefault((host, id(clock)), LeakyBucket(clock=clock))


def forget_shared_buckets(host: str) -> None:
    """Let the sessions to come on the portal `host` begin with an empty bucket, as those of a new process do."""
    for key in [key for key in _shared.copy() if key[0] == host]:
        _shared.pop(key, None)

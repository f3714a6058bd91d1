"""Whether Redis answers, as all threads and buckets of a process know it."""

from __future__ import annotations

import attrs

from b24batch.locks import ProcessLock

#: Seconds after which a Redis that did not answer is asked again, by one caller at a time.
ASK_AGAIN = 5.0


@attrs.define(eq=False)
class Outages:
    """The outages of a Redis server, by a clock's monotonic time.

    Attributes:
        count: The number of outages so far, with the present one.
    """

    count: int = 0
    _ask_at: float | None = None
    _lock: ProcessLock = attrs.field(factory=ProcessLock)

    def may_ask(self, now: float) -> bool:
        """Return whether this caller may ask Redis: during an outage one may every 5 seconds."""
        with self._lock.lock:
            if self._ask_at is None:
                return True
            if now < self._ask_at:
                return False
            self._ask_at = now + ASK_AGAIN
            return True

    def begin(self, now: float) -> bool:
        """Note that Redis did not answer, and return whether it did before."""
        with self._lock.lock:
            is_new = self._ask_at is None
            self.count += is_new
            self._ask_at = now + ASK_AGAIN
            return is_new

    def end(self) -> bool:
        """Note that Redis answered, and return whether it did not before."""
        with self._lock.lock:
            was_away, self._ask_at = self._ask_at is not None, None
            return was_away

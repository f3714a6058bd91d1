"""The portal's limit on requests."""

from __future__ import annotations

import threading
from collections.abc import Callable

from b24batch.sandbox.server.answers import PortalError

#: What sums of many floats may be wrong by: a client that keeps exactly to the rate is not refused.
_FUZZ = 1e-6


def make_rate_refusal() -> PortalError:
    """Return the refusal of a request over the rate, with the documented status and code."""
    return PortalError("QUERY_LIMIT_EXCEEDED", "Too many requests", http_status=503)


class RateBucket:
    """A leaky bucket: each request pours one in, ``leak_rate`` run out per second, ``capacity`` fit."""

    def __init__(self, capacity: float, leak_rate: float, monotonic: Callable[[], float]) -> None:
        """Start empty."""
        self._capacity = capacity
        self._leak_rate = leak_rate
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._level = 0.0
        self._seen = monotonic()

    def admit(self) -> bool:
        """Take a request in if it fits; one that does not fit fills nothing."""
        with self._lock:
            now = self._monotonic()
            self._level = max(0.0, self._level - (now - self._seen) * self._leak_rate)
            self._seen = now
            if self._level + 1 > self._capacity + _FUZZ:
                return False
            self._level += 1
            return True

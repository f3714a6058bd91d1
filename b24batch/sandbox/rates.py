"""The portal's limit on requests."""

from __future__ import annotations

import threading
from collections.abc import Callable


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
            if self._level + 1 > self._capacity:
                return False
            self._level += 1
            return True

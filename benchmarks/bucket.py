"""The rate limit of the benchmarks' portal."""

from __future__ import annotations

import attrs


@attrs.define
class Bucket:
    """A leaky bucket that refuses what would overflow it.

    Attributes:
        capacity: The requests that it holds; 0 for no limit.
        rate: The requests that leak out in a second.
    """

    capacity: float
    rate: float
    _level: float = 0.0
    _seen: float = 0.0

    def admits(self, now: float) -> bool:
        """Count a request, unless it is refused."""
        if not self.capacity:
            return True
        self._level = max(0.0, self._level - (now - self._seen) * self.rate)
        self._seen = now
        if self._level + 1 > self.capacity:
            return False
        self._level += 1
        return True

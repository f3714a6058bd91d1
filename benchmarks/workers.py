"""The processes of a portal, which are all that works on requests: more requests than processes have to queue."""

from __future__ import annotations

import heapq

import attrs


@attrs.define
class Workers:
    """Processes that take the requests in order, one each, and need the same time for every command.

    Nobody works or waits: when a request will be done is known as soon as it arrives.

    Attributes:
        count: The number of processes.
        seconds: What a command takes.
    """

    count: int
    seconds: float
    _free: list[float] = attrs.field(init=False)

    @_free.default
    def _idle(self) -> list[float]:
        return [0.0] * self.count

    def take(self, now: float, commands: int) -> float:
        """Take a request and return the time at which it is done."""
        if not self.seconds:
            return now
        done = max(now, self._free[0]) + commands * self.seconds
        heapq.heapreplace(self._free, done)
        return done

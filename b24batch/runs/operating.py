"""Operating time: when the portal frees a method that has used up its own."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from b24batch.clock import Clock

#: Added to the moment the portal names, which it rounds to whole seconds.
OPERATING_MARGIN = 1.0
#: The portal counts operating time in buckets of a minute.
OPERATING_STEP = 60.0
#: Unix time of the last second that a date can have, that of the year 9999.
_LATEST = 253_402_300_799


class OperatingTime:
    """When the portal frees each method's operating time, learnt from the ``time`` blocks of its answers."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: When it was learnt, and how long it took from then on.
        self._free: dict[str, tuple[float, float]] = {}
        self._reset_at: dict[str, float] = {}

    def note(self, method: str, time_block: object) -> None:
        """Learn from the ``time`` block of an answer of `method`; figures that cannot be teach nothing."""
        match time_block:
            case {"operating_reset_at": reset_at, "finish": finish} if _is_time(reset_at) and _is_time(finish):
                # The portal's clock may differ from ours, so only its differences count.
                self._free[method] = self.clock.monotonic(), reset_at - finish + OPERATING_MARGIN
                self._reset_at[method] = reset_at

    def reset_at(self, method: str) -> float | None:
        """Return the Unix time at which the portal starts to free `method`; None when it never said."""
        return self._reset_at.get(method)

    def wait_for(self, methods: Iterable[str]) -> float:
        """Return the seconds until all of `methods`, which were blocked, may be tried again."""
        now = self.clock.monotonic()
        known = [self._free.get(method, (now, 0.0)) for method in methods]
        # Since then no time less than none has passed, whatever the clock says.
        waits = [seconds - max(0.0, now - learnt) for learnt, seconds in known]
        return max(seconds if seconds > 0 else OPERATING_STEP for seconds in waits)


@attrs.define
class Waited:
    """The waits for operating time between which nothing of what is blocked ran.

    Attributes:
        seconds: How long they were together.
        attempt: Which attempt of the request is the last, from 1.
    """

    seconds: float = 0.0
    attempt: int = 1


def _is_time(value: object) -> bool:
    """Return whether a value of an answer can be a Unix time in seconds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST

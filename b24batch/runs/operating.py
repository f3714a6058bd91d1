"""Operating time: how much of it each method has used, and when one that has used it up may be called again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

import attrs

from b24batch.aliases import JsonValue
from b24batch.clock import Clock
from b24batch.locks import ProcessLock
from b24batch.wire.statistics import MethodTime

#: Added to the time that the portal gives, which is rounded to whole seconds.
OPERATING_MARGIN = 1.0
#: The portal counts operating time in buckets of a minute.
OPERATING_STEP = 60.0
#: Unix time of the last second of the year 9999, the latest possible date.
_LATEST = 253_402_300_799


class OperatingTime:
    """When each method may be called again, as learned from the ``time`` blocks of the portal's answers."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: By method: when it was learned, and the seconds to wait from then on.
        self._free: dict[str, tuple[float, float]] = {}
        self._reset_at: dict[str, float] = {}
        #: By method: the seconds, and when they are reset.
        self._used: dict[str, tuple[float, float]] = {}
        self._lock = ProcessLock()

    @property
    def used(self) -> dict[str, MethodTime]:
        """How much each method has used, as of the last answers."""
        return {method: MethodTime(*map(float, times)) for method, times in self._used.copy().items()}

    def note(self, method: str, time_block: JsonValue, *, is_direct: bool = False) -> None:
        """Learn from the ``time`` block of an answer of `method`; invalid numbers are ignored.

        Args:
            method: The method.
            time_block: The block; anything else is ignored.
            is_direct: Whether it was called outside of a run. Portals may count such calls apart from those in a
                batch, so they do not tell when the method is available to a run.
        """
        match time_block:
            case {"operating_reset_at": reset_at, "finish": finish} if _is_time(reset_at) and _is_time(finish):
                # The portal's clock may differ from ours, so only its differences count.
                if not is_direct:
                    self._free[method] = self.clock.monotonic(), reset_at - finish + OPERATING_MARGIN
                    self._reset_at[method] = reset_at
                self._note_used(method, time_block.get("operating"), reset_at, finish)

    def _note_used(self, method: str, used: object, reset_at: float, finish: float) -> None:
        """Record how much a method has used.

        Nothing leaves a count before its reset time. So a lower number until then is of another count, because the
        portal counts direct calls apart, or of an older answer that another has overtaken.
        """
        if not _is_time(used):
            return
        with self._lock.lock:
            seconds, ends = self._used.get(method, (used, reset_at))
            if used >= seconds or finish >= ends:
                self._used[method] = used, reset_at

    def reset_at(self, method: str) -> float | None:
        """Return the Unix time from which `method` may be called again, or None if it is not known."""
        return self._reset_at.get(method)

    def wait_for(self, methods: Iterable[str]) -> float:
        """Return the seconds until all of these blocked methods may be called again."""
        now = self.clock.monotonic()
        known = [self._free.get(method, (now, OPERATING_STEP)) for method in methods]
        # The clock may go backwards, but the time since then is never negative.
        waits = [seconds - max(0.0, now - learnt) for learnt, seconds in known]
        return max(seconds if seconds > 0 else OPERATING_STEP for seconds in waits)


@attrs.define
class Waited:
    """The waits for operating time since a blocked command last ran.

    Attributes:
        seconds: Their total length.
        attempt: The number of the last attempt of the request, from 1.
    """

    seconds: float = 0.0
    attempt: int = 1


def _is_time(value: object) -> TypeGuard[float]:
    """Return whether a value in an answer is a valid Unix time, or another number of seconds that is not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST

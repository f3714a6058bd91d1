"""Operating time: seconds of work that a method may use in ten minutes."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.php.values import JSON
from b24batch.sandbox.server.answers import PortalError

#: The documented window, seconds.
WINDOW = 600.0

#: Work is summed up by the minute.
_BUCKET = 60.0

#: The documented threshold: shorter calls are not counted, seconds.
_COUNTED_FROM = 0.1


def make_operating_refusal() -> PortalError:
    """Return the refusal of a method that is over its limit."""
    return PortalError("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.", http_status=429)


@attrs.define
class _Bucket:
    first: float
    seconds: float


@attrs.define
class OperatingTime:
    """Counts the seconds that `cost` names for each method; ``limit`` None switches the counter off."""

    limit: float | None
    time: Callable[[], float]
    _costs: dict[str, float] = attrs.field(factory=dict, init=False)
    _used: dict[str, list[_Bucket]] = attrs.field(factory=dict, init=False)

    def cost(self, method: str, seconds: float) -> None:
        """Set the seconds that each call of a method counts; the clock does not advance."""
        self._costs[method.lower()] = seconds

    def check(self, method: str) -> None:
        """Refuse a method that is over the limit; the call that crosses the line still runs.

        Raises:
            PortalError: ``OPERATION_TIME_LIMIT``, with status 429.

        """
        if self.limit is not None and sum(bucket.seconds for bucket in self._get_window(method)) > self.limit:
            raise make_operating_refusal()

    def charge(self, method: str) -> dict[str, JSON]:
        """Count one call and return what its ``time`` block says of it; nothing when switched off."""
        if self.limit is None:
            return {}
        seconds = self._costs.get(method, 0.0)
        if seconds > _COUNTED_FROM:
            self._add(method, seconds)
        window = self._get_window(method)
        oldest = window[0].first if window else self.time()
        used = sum(bucket.seconds for bucket in window)
        return {"operating_reset_at": int(oldest + WINDOW), "operating": used}

    def _get_window(self, method: str) -> list[_Bucket]:
        used = self._used.get(method)
        if not used:
            return []
        now = self.time()
        self._used[method] = [bucket for bucket in used if now < bucket.first + WINDOW]
        return self._used[method]

    def _add(self, method: str, seconds: float) -> None:
        used = self._used.setdefault(method, [])
        now = self.time()
        if used and used[-1].first // _BUCKET == now // _BUCKET:
            used[-1].seconds += seconds
        else:
            used.append(_Bucket(now, seconds))

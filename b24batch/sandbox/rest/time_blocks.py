"""The ``time`` block of an answer, and the portal's way of writing dates."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from b24batch.sandbox.php.values import JSON

#: The portal's own time zone.  Not UTC, so that a client which drops the offset is found out.
ZONE = datetime.timezone(datetime.timedelta(hours=3))


def to_iso(seconds: float) -> str:
    """Write a moment as the portal does: whole seconds, with the portal's offset."""
    return datetime.datetime.fromtimestamp(int(seconds), ZONE).isoformat()


class TimeBlocks:
    """Makes ``time`` blocks; the text of the current second is kept, a batch needs it a hundred times."""

    def __init__(self, time: Callable[[], float]) -> None:
        """Read the time from a function that returns seconds since 1970."""
        self._time = time
        self._second = -1
        self._text = ""

    def block(self, began: float) -> dict[str, JSON]:
        """Return the block of a call that began then and ends now.

        As on a portal of 2025 or later ``start`` is a whole second, ``processing`` is 0, and
        ``duration`` is up to a second too long.
        """
        start, finish = int(began), self._time()
        return {
            "start": start,
            "finish": finish,
            "duration": finish - start,
            "processing": 0,
            "date_start": self._to_iso(start),
            "date_finish": self._to_iso(int(finish)),
        }

    def _to_iso(self, second: int) -> str:
        if second != self._second:
            self._second, self._text = second, to_iso(second)
        return self._text

"""Time, and the waits that let it pass."""

from __future__ import annotations

from typing import Literal, Protocol

import attrs


class Clock(Protocol):
    """What tells the time and lets it pass; the module `time` is one. All figures are seconds."""

    def monotonic(self) -> float:
        """Return a time that never runs backwards."""

    def time(self) -> float:
        """Return the Unix time."""

    def sleep(self, seconds: float, /) -> None:
        """Return after `seconds`."""


@attrs.frozen
class Wait:
    """A wait that is about to begin, as `on_wait` is told of it.

    Attributes:
        reason: ``rate``: a place in the bucket; ``retry``: a request is sent again; ``operating``: a method has
            used up its operating time.
        seconds: How long it will take.
        attempt: Which attempt of the request follows, from 1.
        request_id: Of the request that waits.
    """

    reason: Literal["rate", "retry", "operating"]
    seconds: float
    attempt: int
    request_id: str

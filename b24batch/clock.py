"""Clocks, and the waits that `on_wait` is told about."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import attrs


class Clock(Protocol):
    """Reads the time and sleeps, like the module `time`. All values are in seconds."""

    def monotonic(self) -> float:
        """Return a time that never goes backwards."""

    def time(self) -> float:
        """Return the Unix time."""

    def sleep(self, seconds: float, /) -> None:
        """Sleep for `seconds`."""


#: Why something waits.
Reason: TypeAlias = Literal["rate", "retry", "operating"]


@attrs.frozen
class Wait:
    """A wait that is about to start, passed to `on_wait`.

    Attributes:
        reason: ``rate``: the rate limit; ``retry``: a request will be sent again; ``operating``: a method has used up
            its operating time.
        seconds: The length of the wait.
        attempt: The number of the attempt that follows, from 1.
        request_id: The id of the request that waits.
    """

    reason: Reason
    seconds: float
    attempt: int
    request_id: str

"""The claim of a request: called before each attempt is sent, and when it was certainly not executed."""

from __future__ import annotations

from typing import Protocol


class Claim(Protocol):
    """What is called around each attempt to send a request, on the thread that sends it."""

    def take(self) -> None:
        """Called after every wait, right before an attempt is sent. If it raises, the attempt is not sent."""

    def release(self) -> None:
        """Called when the request was certainly not executed by any attempt so far; another attempt may follow."""

"""Time, which tests may replace."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """The time the portal lives in; a test may share its own with the client."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def time(self) -> float:
        """Return seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""


class SystemClock:
    """The machine's time; ``wake`` ends every sleep, later ones too, so that a portal can close."""

    def __init__(self) -> None:
        """Start with nobody woken."""
        self._woken = threading.Event()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def time(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds, or until woken."""
        self._woken.wait(seconds)

    def wake(self) -> None:
        """End all sleeps."""
        self._woken.set()

    def rest(self) -> None:
        """Let sleeps last again."""
        self._woken.clear()

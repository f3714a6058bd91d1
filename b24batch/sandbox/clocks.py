"""The portal's clock: its interface, and the machine's."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """The interface of the portal's clock; a test can share its own clock with the client."""

    def monotonic(self) -> float:
        """Return the time in seconds; it never goes back."""

    def time(self) -> float:
        """Return the seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Sleep for this many seconds."""


class SystemClock:
    """The machine's clock; ``wake`` ends all sleeps, including later ones, so that a portal can close."""

    def __init__(self) -> None:
        """Create a clock whose sleeps are not ended."""
        self._woken = threading.Event()

    def monotonic(self) -> float:
        """Return the time in seconds; it never goes back."""
        return time.monotonic()

    def time(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep for this many seconds, or until ``wake`` is called."""
        self._woken.wait(seconds)

    def wake(self) -> None:
        """End all sleeps."""
        self._woken.set()

    def rest(self) -> None:
        """Allow sleeps again."""
        self._woken.clear()

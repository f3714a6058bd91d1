"""Ctrl-C while an outcome is written: it waits for the end of the record, so that each stays whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class GivenUp(KeyboardInterrupt):
    """A second Ctrl-C while the first one waited: nobody may be reading, and the record is cut off."""


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block.

    Raises:
        KeyboardInterrupt: At the end of the block, when it came within it.
        GivenUp: At once, when it came a second time.
    """
    if threading.current_thread() is not threading.main_thread() or _is_handled():
        yield
        return
    pressed: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if pressed:
            raise GivenUp
        pressed.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt


def _is_handled() -> bool:
    """Return whether somebody else handles Ctrl-C, or ignores it, as a shell does for what runs in the background."""
    return signal.getsignal(signal.SIGINT) is not signal.default_int_handler

"""Ctrl-C and SIGTERM: the first one lets a command finish what it has in hand, the second one interrupts it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """Yield an event that the first signal in the block sets; a second one raises `KeyboardInterrupt`."""
    told = threading.Event()

    def handle(number: int, frame: object) -> None:
        del number, frame
        if told.is_set():
            raise KeyboardInterrupt
        told.set()

    in_main = threading.current_thread() is threading.main_thread()
    heeded = [number for number in _SIGNALS if in_main and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

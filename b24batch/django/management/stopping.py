"""Ctrl-C and SIGTERM: the first one lets a command finish what it has in hand, the second one interrupts it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

import attrs

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@attrs.define
class Stop:
    """Whether a signal has arrived.

    A handler of a signal may set it at any instant. It could not set a `threading.Event`, whose lock the interrupted
    code may hold.
    """

    _told: bool = attrs.field(default=False, init=False)
    _signals: SimpleQueue[None] = attrs.field(factory=SimpleQueue, init=False)

    def is_set(self) -> bool:
        """Return whether a signal has arrived."""
        return self._told

    def set(self) -> None:
        """Note a signal, and end the waiting."""
        self._told = True
        self._signals.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds, or until a signal arrives."""
        with suppress(Empty):
            self._signals.get(timeout=seconds)


@contextmanager
def told_to_stop() -> Iterator[Stop]:
    """Yield what the first signal in the block sets; a second one raises `KeyboardInterrupt`."""
    told = Stop()

    def handle(number: int, frame: object) -> None:
        """Ask to stop; interrupt if that was asked before."""
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

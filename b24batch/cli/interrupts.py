"""Ctrl-C, SIGTERM and SIGHUP: each ends the program in the same way, and waits for the end of a record."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

import attrs

from b24batch.cli.terminal import Exit

#: What a terminal that is closed sends; Windows has none.
_HANG_UP: int | None = getattr(signal, "SIGHUP", None)
#: The signals that end the program, each with the handler of a process that does not ask for another one.
_DEFAULTS: dict[int, object] = {
    number: signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    for number in (signal.SIGINT, signal.SIGTERM, _HANG_UP)
    if number is not None
}


class GivenUp(KeyboardInterrupt):
    """A second signal while the first one waited: nobody may be reading, and the record is cut off."""


@attrs.define
class _Told:
    """What the program was told.

    Attributes:
        first: The signal that ends it; 0 for none yet.
        held_back: Whether a signal waits for the end of a block.
        waiting: Whether one came within it.
    """

    first: int = 0
    held_back: bool = False
    waiting: bool = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """End what runs, or note that it has to end."""
        if self.first and number == _HANG_UP:  # shells, and systemd, send it after another signal or another one of it
            return
        self.first = self.first or number
        if not self.held_back:
            raise KeyboardInterrupt
        if self.waiting:
            raise GivenUp
        self.waiting = True


_told = _Told()


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Let all three signals raise `KeyboardInterrupt` in the block; what is ignored or handled by others stays so."""
    _told.first = 0
    with _replaced(_DEFAULTS):
        yield


@contextlib.contextmanager
def _replaced(numbers: Iterable[int]) -> Iterator[None]:
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers if main}
    ours = {number: handler for number, handler in before.items() if handler is _DEFAULTS[number]}
    try:
        for number in ours:
            signal.signal(number, _told.handle)
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let a signal wait for the end of the block.

    Raises:
        KeyboardInterrupt: At the end of the block, when one came within it.
        GivenUp: At once, when another came.
    """
    with _replaced([signal.SIGINT]):
        _told.waiting, _told.held_back = False, True
        try:
            yield
        finally:
            _told.held_back = False
        if _told.waiting:
            raise KeyboardInterrupt


def exit_code() -> Exit:
    """Return what tells the shell which signal ended the program."""
    return Exit(128 + (_told.first or signal.SIGINT))

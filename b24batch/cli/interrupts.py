"""Ctrl-C, SIGTERM and SIGHUP: all end the program in the same way, and wait for the end of a record."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

import attrs

from b24batch.cli.terminal import Exit

#: Sent when the terminal is closed; Windows does not have it.
_HANG_UP: int | None = getattr(signal, "SIGHUP", None)
#: The signals that end the program, each with its default handler.
_DEFAULTS: dict[int, object] = {
    number: signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    for number in (signal.SIGINT, signal.SIGTERM, _HANG_UP)
    if number is not None
}


class GivenUp(KeyboardInterrupt):
    """A second signal while the first one waited: the reader may hang, so the record is cut off."""


@attrs.define
class _Told:
    """The signals that the program has received.

    Attributes:
        first: The signal that ends the program; 0 for none yet.
        held_back: Whether signals have to wait for the end of a block.
        waiting: Whether a signal arrived in the block.
        wind_down: Called with the first signal, if not None: lets nothing more begin, and returns whether what has
            begun is to be finished before the program ends.
    """

    first: int = 0
    held_back: bool = False
    waiting: bool = False
    wind_down: Callable[[], bool] | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Interrupt the program, or note that it has to end."""
        if self.first and number == _HANG_UP:  # shells and systemd send it after another signal, or twice
            return
        is_first, self.first = not self.first, self.first or number
        if is_first and self.wind_down is not None and (self.wind_down() or self.held_back):
            return
        if not self.held_back:
            raise KeyboardInterrupt
        if self.waiting:
            raise GivenUp
        self.waiting = True


_told = _Told()


@contextlib.contextmanager
def handle_signals() -> Iterator[None]:
    """Let the three signals raise `KeyboardInterrupt` in the block, unless they are ignored or have a handler."""
    _told.first = 0
    with _replace_handlers(_DEFAULTS):
        yield


@contextlib.contextmanager
def _replace_handlers(numbers: Iterable[int]) -> Iterator[None]:
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
def hold_back() -> Iterator[None]:
    """Let a signal wait for the end of the block.

    Raises:
        KeyboardInterrupt: At the end of the block, if a signal arrived in it.
        GivenUp: Immediately, if a second signal arrived.
    """
    with _replace_handlers([signal.SIGINT]):
        _told.waiting, _told.held_back = False, True
        try:
            yield
        finally:
            _told.held_back = False
        if _told.waiting:
            raise KeyboardInterrupt


@contextlib.contextmanager
def finish_first(wind_down: Callable[[], bool] | None) -> Iterator[None]:
    """Let the first signal in the block call `wind_down` if there is one, and interrupt only if that returns False."""
    _told.wind_down = wind_down
    try:
        yield
    finally:
        _told.wind_down = None


def is_told_to_end() -> bool:
    """Return whether a signal that ends the program has arrived."""
    return bool(_told.first)


def get_exit_code() -> Exit:
    """Return the exit code for the signal that ended the program."""
    return Exit(128 + (_told.first or signal.SIGINT))

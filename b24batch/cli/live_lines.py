"""A line on a terminal that is drawn again and again: by tqdm where that is installed, plain where it is not."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Any, Protocol, TextIO

import attrs

#: The columns of a terminal that does not tell how many it has.
_COLUMNS = 80
#: With a total, and without one.
_FORMATS = ("{percentage:3.0f}%|{bar:16}| {desc}, {remaining} left", "{desc}")


class LiveLine(Protocol):
    """A line that can be drawn, hidden and drawn again. It never raises `OSError`: the terminal may be gone."""

    def show(self, text: str, count: int, /) -> None:
        """Draw the line with this text; so many are done."""

    def show_again(self) -> None:
        """Draw it as it was."""

    def hide(self) -> None:
        """Clear it."""


def open_line(stream: TextIO, total: int | None) -> LiveLine:
    """Return a line on `stream`; `total` is None if it is not known."""
    try:
        tqdm = import_module("tqdm").tqdm
    except ImportError:
        return _PlainLine(stream)
    silent = type("Line", (tqdm,), {"monitor_interval": 0})  # without a thread that draws it
    return _TqdmLine(silent, stream, total)


@attrs.define(eq=False)
class _PlainLine:
    stream: TextIO
    _text: str = attrs.field(default="", init=False)
    _drawn: int = attrs.field(default=0, init=False)

    def show(self, text: str, _count: int, /) -> None:
        self._text = text
        text = text[: _count_columns(self.stream) - 1]
        self._write(f"\r{text:<{self._drawn}}")
        self._drawn = len(text)

    def show_again(self) -> None:
        self.show(self._text, 0)

    def hide(self) -> None:
        if self._drawn:
            self._write(f"\r{'':<{self._drawn}}\r")
        self._drawn = 0

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.stream.write(text)
            self.stream.flush()


@attrs.define(eq=False)
class _TqdmLine:
    make: Any
    stream: TextIO
    total: int | None
    _bar: Any = attrs.field(default=None, init=False)

    def show(self, text: str, count: int, /) -> None:
        with contextlib.suppress(OSError):
            if self._bar is None:
                self._bar = self.make(
                    desc=text,
                    total=self.total,
                    file=self.stream,
                    leave=False,
                    dynamic_ncols=True,
                    bar_format=_FORMATS[self.total is None],
                )
            self._bar.n = count
            self._bar.set_description_str(text)

    def show_again(self) -> None:
        with contextlib.suppress(OSError):
            self._bar.refresh()

    def hide(self) -> None:
        with contextlib.suppress(OSError):
            self._bar.clear()


def _count_columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS

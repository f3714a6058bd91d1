"""A line on a terminal that is drawn again and again: by tqdm where that is installed, plain where it is not."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Any, Protocol, TextIO

import attrs

#: The columns of a terminal that does not tell how many it has.
_COLUMNS = 80
#: Rows of a terminal, of which the first one is used: some tell that they have none.
_ROWS = 20
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

    def close(self) -> None:
        """Clear it for good."""


def open_line(stream: TextIO, total: int | None) -> LiveLine:
    """Return a line on `stream`; `total` is None if it is not known."""
    try:
        tqdm = import_module("tqdm").tqdm
    except ImportError:
        return _PlainLine(stream)
    silent = type("Line", (tqdm,), {"monitor_interval": 0})  # without a thread that draws it
    form = _FORMATS[total is None]
    options = {"file": stream, "leave": False, "position": 0, "nrows": _ROWS, "bar_format": form}
    bar = silent(total=total, delay=1, **options)  # not drawn before it has a text
    bar.delay = 0
    return _TqdmLine(stream, bar)


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

    close = hide

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.stream.write(text)
            self.stream.flush()


@attrs.define(eq=False)
class _TqdmLine:
    stream: TextIO
    bar: Any

    def show(self, text: str, count: int, /) -> None:
        self.bar.n, self.bar.ncols = count, _count_columns(self.stream) - 1
        with contextlib.suppress(OSError):
            self.bar.set_description_str(text)

    def show_again(self) -> None:
        with contextlib.suppress(OSError):
            self.bar.refresh()

    def hide(self) -> None:
        with contextlib.suppress(OSError):
            self.bar.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.bar.close()


def _count_columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS

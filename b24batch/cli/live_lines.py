"""A line on a terminal that is drawn again and again: with a bar if tqdm is installed."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Any, TextIO

import attrs

#: The columns of a terminal that does not tell how many it has, and those below which there is no room for a bar.
_COLUMNS = 80
_NARROW = 60
#: How tqdm writes the line.
_FORM = "{percentage:3.0f}%|{bar:16}| {desc}, {remaining} left"


def _find_tqdm() -> Any:
    try:
        return import_module("tqdm").tqdm
    except ImportError:
        return None


@attrs.define(eq=False)
class LiveLine:
    """A line that can be drawn, hidden and drawn again. It never raises `OSError`: the terminal may be gone.

    Attributes:
        stream: The terminal.
        total: How many there are; None if that is not known.
    """

    stream: TextIO
    total: int | None
    _tqdm: Any = attrs.field(factory=_find_tqdm, init=False)
    _text: tuple[str, int, float] = attrs.field(default=("", 0, 0.0), init=False)
    _is_drawn: bool = attrs.field(default=False, init=False)

    def show(self, text: str, count: int, elapsed: float) -> None:
        """Draw the line with this text; so many are done after so many seconds."""
        self._text = text, count, elapsed
        self.show_again()

    def show_again(self) -> None:
        """Draw it as it was."""
        width = self._count_columns() - 1
        self._write(f"\r{'':<{width}}\r{self._format(width)[:width]}")
        self._is_drawn = True

    def hide(self) -> bool:
        """Clear it, and the ^C that a terminal writes behind it; return whether it was there."""
        if was_drawn := self._is_drawn:
            self._write(f"\r{'':<{self._count_columns() - 1}}\r")
        self._is_drawn = False
        return was_drawn

    def _format(self, width: int) -> str:
        text, count, elapsed = self._text
        if self._tqdm is None or self.total is None or width < _NARROW:
            return text
        is_ascii = not (self.stream.encoding or "").lower().startswith("utf")
        line: str = self._tqdm.format_meter(
            count, self.total, elapsed, ncols=width, prefix=text, ascii=is_ascii, bar_format=_FORM
        )
        return line

    def _count_columns(self) -> int:
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or _COLUMNS
        except (OSError, ValueError):
            return _COLUMNS

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the latter if a signal has interrupted a write
            self.stream.write(text)
            self.stream.flush()

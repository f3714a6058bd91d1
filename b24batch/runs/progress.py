"""Progress: what a long run shows of itself, on a bar, or in the log where there is no terminal for a bar."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Protocol, TypeAlias, TypeVar

import attrs

from b24batch.aliases import JsonValue
from b24batch.clock import Clock, Wait
from b24batch.errors import ReferenceMissed, UsageError
from b24batch.redaction import shown
from b24batch.results import AjaxResult
from b24batch.statuses import counted

#: Seconds between two lines in the log.
LOG_STEP = 10.0
#: Seconds: waits under it are the steady pace of a run, and a bar that showed them would flicker.
SHOWN_WAIT = 1.0

_log = logging.getLogger("b24batch")
_Group = TypeVar("_Group", bound=list[JsonValue])


class Bar(Protocol):
    """What shows progress: an object of ``tqdm``, or one like it.

    If it has an attribute ``disable`` that is True, as ``tqdm(disable=None)`` has outside of a terminal, it is closed
    at once, and lines in the log stand in for it.
    """

    def update(self, n: int, /) -> object:
        """Count `n` more."""

    def set_postfix_str(self, s: str, /) -> object:
        """Show a text at the end of the bar; an empty one clears it."""

    def close(self) -> object:
        """Clean up, whatever happened."""


#: Makes a bar from the keywords `total` (None when nobody knows) and `unit` (with a space before it, as tqdm has it).
MakeBar: TypeAlias = Callable[..., Bar]


def bar_maker(progress: object) -> MakeBar:
    """Return what makes the bar that the caller asks for.

    Raises:
        ImportError: It is True, and tqdm is not installed.
        UsageError: It is neither True, nor can it be called.
    """
    if progress is True:
        return _tqdm()
    if not callable(progress):
        raise UsageError(f"progress is True, or makes a bar as tqdm does, not {shown(progress)}")
    return progress


def _tqdm() -> MakeBar:
    try:
        module = import_module("tqdm.auto")
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install 'b24batch[progress]'") from error
    return partial(module.tqdm, disable=True if sys.stderr is None else None)


@attrs.define(eq=False)
class Progress:
    """The progress of one run.

    Attributes:
        make: What makes the bar.
        unit: What is counted.
        total: How many there will be; None when nobody knows.
        clock: Where time comes from.
        then: Told of every wait after the bar.
    """

    make: MakeBar
    unit: str
    total: int | None
    clock: Clock
    then: Callable[[Wait], None] | None
    _bar: Bar = attrs.field(init=False)
    _troubles: Counter[str] = attrs.field(factory=Counter, init=False)
    _text: str = attrs.field(default="", init=False)

    def over(self, groups: Iterable[_Group]) -> Iterator[_Group]:
        """Yield the groups, and count what is in each once it has been taken."""
        with self._opened() as self._bar:
            for group in groups:
                yield group
                self._count(group)

    def on_wait(self, wait: Wait) -> None:
        """Show a wait that is about to begin, until the next group comes."""
        if wait.seconds >= SHOWN_WAIT:
            self._show(f"waiting {wait.seconds:.0f} s ({wait.reason})")
        if self.then is not None:
            self.then(wait)

    @contextmanager
    def _opened(self) -> Iterator[Bar]:
        bar = self.make(total=self.total, unit=self.unit)
        if getattr(bar, "disable", False) is True:
            bar.close()
            bar = _LogLines(self.clock, self.unit, self.total)
        try:
            yield bar
        except BaseException:
            with suppress(Exception):  # what ended the run is the one to tell
                bar.close()
            raise
        bar.close()

    def _count(self, group: list[JsonValue]) -> None:
        rows = (row for row in group if isinstance(row, AjaxResult) and not row.is_success)
        self._troubles.update(_trouble(row) for row in rows)
        self._show()
        self._bar.update(len(group))

    def _show(self, *waiting: str) -> None:
        text = ", ".join([*([counted(self._troubles)] if self._troubles else ()), *waiting])
        if text != self._text:
            self._text = text
            self._bar.set_postfix_str(text)


def _trouble(row: AjaxResult) -> str:
    if isinstance(row.error, ReferenceMissed):
        return "reference missed"
    return "with an error" if row.status == "ok" else row.status


@attrs.define(eq=False)
class _LogLines:
    """A bar without a terminal: a line in the log every 10 seconds, and a last one at the end of a run that had any."""

    clock: Clock
    unit: str
    total: int | None
    count: int = attrs.field(default=0, init=False)
    text: str = attrs.field(default="", init=False)
    logged: int = attrs.field(default=0, init=False)
    logged_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.logged_at = self.clock.monotonic()

    def update(self, n: int, /) -> None:
        self.count += n
        if self.clock.monotonic() - self.logged_at >= LOG_STEP:
            self._log()

    def set_postfix_str(self, s: str, /) -> None:
        self.text = s

    def close(self) -> None:
        if 0 < self.logged < self.count:
            self._log()

    def _log(self) -> None:
        self.logged, self.logged_at = self.count, self.clock.monotonic()
        of_total = "" if self.total is None else f" of {self.total}"
        _log.info("%d%s%s%s", self.count, of_total, self.unit, self.text and f", {self.text}")

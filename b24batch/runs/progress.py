"""Progress of a long run: shown as a bar, or logged if there is no terminal."""

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
from b24batch.statuses import count_statuses

#: Seconds between two log lines.
LOG_STEP = 10.0
#: Minimum length of a wait that is shown, in seconds. Shorter ones are normal, and the bar would flicker.
SHOWN_WAIT = 1.0

_log = logging.getLogger("b24batch")
_Group = TypeVar("_Group", bound=list[JsonValue])


class Bar(Protocol):
    """A progress bar: a ``tqdm`` object, or one with the same methods.

    If its attribute ``disable`` is True, as with ``tqdm(disable=None)`` outside of a terminal, the bar is closed at
    once, and progress is logged instead.
    """

    def update(self, n: int, /) -> object:
        """Add `n` to the count."""

    def set_postfix_str(self, s: str, /) -> object:
        """Show a text at the end of the bar; an empty one clears it."""

    def close(self) -> object:
        """Close the bar. It is always called, also after an error."""


class _TotalAndUnit(Protocol):
    """What makes a bar: with these names type checkers know the arguments of a lambda."""

    def __call__(self, *, total: int | None, unit: str) -> Bar:
        """Return a bar."""


#: Makes a bar from the keywords `total` (None if it is not known) and `unit` (with a leading space, as for tqdm).
MakeBar: TypeAlias = Callable[..., Bar] | _TotalAndUnit


def choose_bar_maker(progress: object) -> MakeBar:
    """Return the function that makes the bar.

    Raises:
        ImportError: `progress` is True, but tqdm is not installed.
        UsageError: `progress` is neither True nor callable.
    """
    if progress is True:
        return _tqdm()
    if not callable(progress):
        raise UsageError(f"progress: expected True, None or a callable that makes a bar, got {shown(progress)}")
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
        make: Makes the bar.
        unit: The unit of the count, with a leading space.
        total: The total count; None if it is not known.
        clock: The clock of the log lines.
        then: The caller's own `on_wait`, called after the bar was updated; or None.
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
        """Yield the groups, and count the items of each after it was consumed."""
        with self._open() as self._bar:
            for group in groups:
                yield group
                self._count(group)

    def on_wait(self, wait: Wait) -> None:
        """Show a wait that is about to start, until the next group arrives."""
        if wait.seconds >= SHOWN_WAIT:
            self._show(f"waiting {wait.seconds:.0f} s ({wait.reason})")
        if self.then is not None:
            self.then(wait)

    @contextmanager
    def _open(self) -> Iterator[Bar]:
        bar = self.make(total=self.total, unit=self.unit)
        if getattr(bar, "disable", False) is True:
            bar.close()
            bar = _LogLines(self.clock, self.unit, self.total)
        try:
            yield bar
        except BaseException:
            with suppress(Exception):  # the error that ended the run is the one to raise
                bar.close()
            raise
        bar.close()

    def _count(self, group: list[JsonValue]) -> None:
        rows = (row for row in group if isinstance(row, AjaxResult) and not row.is_success)
        self._troubles.update(_name_trouble(row) for row in rows)
        self._show()
        self._bar.update(len(group))

    def _show(self, *waiting: str) -> None:
        text = ", ".join([*([count_statuses(self._troubles)] if self._troubles else ()), *waiting])
        if text != self._text:
            self._text = text
            self._bar.set_postfix_str(text)


def _name_trouble(row: AjaxResult) -> str:
    if isinstance(row.error, ReferenceMissed):
        return "reference missed"
    return "with an error" if row.status == "ok" else row.status


@attrs.define(eq=False)
class _LogLines:
    """A bar that logs a line every 10 seconds; and one at the end, if there were any."""

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
        """Add to the count, and log it if it is time."""
        self.count += n
        if self.clock.monotonic() - self.logged_at >= LOG_STEP:
            self._log()

    def set_postfix_str(self, s: str, /) -> None:
        """Show the text in the next log line."""
        self.text = s

    def close(self) -> None:
        """Log the last count, if it was not."""
        if self.logged and self.logged < self.count:
            self._log()

    def _log(self) -> None:
        self.logged, self.logged_at = self.count, self.clock.monotonic()
        of_total = "" if self.total is None else f" of {self.total}"
        _log.info("%d%s%s%s", self.count, of_total, self.unit, self.text and f", {self.text}")

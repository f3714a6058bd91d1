"""How far a run or a list is: one line on a terminal, drawn once a second, and gone at the end."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

import attrs

from b24batch.cli.live_lines import LiveLine
from b24batch.cli.suspension import hidden_while_stopped
from b24batch.cli.terminal import shown_live, tell_wait
from b24batch.clock import Clock, Wait
from b24batch.session import Session
from b24batch.statuses import Status, counted

#: Seconds between two drawings. A wait that is at least as long is drawn at once.
STEP = 1.0
_WAITS = {"rate": "waiting for the rate", "retry": "waiting to send again", "operating": "waiting for operating time"}

Page = TypeVar("Page", bound=Sized)


@attrs.define(eq=False)
class Progress:
    """The progress of one run or list.

    Attributes:
        unit: What is counted, in the plural.
        total: How many there are; None if that is not known.
        clock: Tells when the line is drawn again.
        line: The line; None if there is none.
        count: How many there are so far.
        troubles: How many of them are ``failed``, ``unknown`` or ``skipped``.
    """

    unit: str
    total: int | None
    clock: Clock
    line: LiveLine | None
    count: int = attrs.field(default=0, init=False)
    troubles: Counter[Status] = attrs.field(factory=Counter, init=False)
    _waiting: str = attrs.field(default="", init=False)
    _began_at: float = attrs.field(init=False)
    _drawn_at: float = attrs.field(default=float("-inf"), init=False)

    @_began_at.default
    def _begin(self) -> float:
        return self.clock.monotonic()

    def add(self, count: int, status: Status = "ok") -> None:
        """Count more of them, and draw the line if it is time."""
        self.count += count
        if status != "ok":
            self.troubles[status] += count
        self._waiting = ""
        self.draw(only_if_due=True)

    def over(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Yield the pages of a list, and count the rows of each after it was consumed."""
        for page in pages:
            yield page
            self.add(len(page))

    def wait(self, wait: Wait) -> None:
        """Show why the run waits, until the next outcome."""
        self._waiting = _WAITS[wait.reason]
        self.draw(only_if_due=wait.seconds < STEP)

    def draw(self, *, only_if_due: bool = False) -> None:
        """Draw the line; `only_if_due`, unless it was drawn within a second."""
        if self.line is None:
            return
        now = self.clock.monotonic()
        if not only_if_due or now - self._drawn_at >= STEP:
            self._drawn_at = now
            self.line.show(self.describe(), self.count, now - self._began_at)

    def describe(self) -> str:
        """Return such as ``3,250 of 5,000, 2 failed, waiting for the rate``."""
        count = f"{self.count:,} {self.unit}" if self.total is None else f"{self.count:,} of {self.total:,}"
        return ", ".join([count, *([counted(self.troubles)] if self.troubles else ()), *filter(None, [self._waiting])])


@contextlib.contextmanager
def showing(
    arguments: Namespace, b24: Session, unit: str, count: Callable[[], int | None]
) -> Iterator[tuple[Session, Progress]]:
    """Show the progress in the block, if the arguments or the terminal say so.

    Args:
        arguments: The arguments of the command.
        b24: The session; its waits are shown, or told in lines of their own.
        unit: What is counted, in the plural.
        count: Returns how many there are, or None; only called if it is shown.
    """
    if not _is_shown(arguments):
        yield (
            _with_waits(b24, tell_wait if not (arguments.quiet or arguments.verbose) else None),
            Progress(unit, None, b24.clock, None),
        )
        return
    total = count()
    line = LiveLine(sys.stderr, total)
    progress = Progress(unit, total, b24.clock, line)
    with shown_live(line), hidden_while_stopped(line):
        progress.draw()
        yield _with_waits(b24, progress.wait), progress


def _is_shown(arguments: Namespace) -> bool:
    if sys.stderr is None:
        return False
    given: bool | None = arguments.progress
    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"  # such a one has no carriage return
    return is_terminal and not arguments.quiet if given is None else given


def _with_waits(b24: Session, tell: Callable[[Wait], None] | None) -> Session:
    """Return a session that tells its waits, beside the caller's own function."""
    own = b24.on_wait
    if tell is None or own is None:
        return b24.with_options(on_wait=tell or own)

    def both(wait: Wait) -> None:
        tell(wait)
        own(wait)

    return b24.with_options(on_wait=both)

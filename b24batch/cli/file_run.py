"""The run of a file: its lines to the portal, their outcomes to the output, and what is left when it ends early."""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

import attrs

from b24batch.cli.interrupts import GivenUp, exit_code, held_back
from b24batch.cli.lines import Lines, Report
from b24batch.cli.terminal import Exit, drop_output, ended_unwritten, say
from b24batch.errors import UsageError
from b24batch.results import AjaxResult
from b24batch.streams import Stream

_CALL = re.compile(r"\Acall \d+")


@attrs.define
class FileRun:
    """A file of commands on its way.

    Attributes:
        name: What the file is called; ``-`` is stdin.
        options: Those that it takes to go on in the same way.
        lines: Its lines.
        report: Where their outcomes go.
        outcomes: The outcomes, one for each line and in their order.
        hand: Those outcomes that are known and not written yet: they belong to the first of the pending lines.
    """

    name: str
    options: Sequence[str]
    lines: Lines
    report: Report
    outcomes: Iterator[AjaxResult]
    hand: deque[AjaxResult] = attrs.field(factory=deque, init=False)

    def to_its_end(self) -> Exit:
        """Send all lines and write all outcomes; say so when it ends early, and return the exit code."""
        try:
            while self._take():
                self._write()
        except UsageError as error:
            say(self._named(error))
            self._say_rest()
            return Exit.UNKNOWN if self.report.code is Exit.UNKNOWN else Exit.USAGE
        except (KeyboardInterrupt, OSError) as error:
            return self._ended(error)
        return self.report.code

    def _take(self) -> bool:
        """Take the next outcome, in one step: no signal comes between the iterator and the hand."""
        self.hand.extend(islice(self.outcomes, 1))
        return bool(self.hand)

    def _write(self) -> None:
        with held_back():
            self.report.add(self.lines.pending[0], self.hand[0])
            self.hand.popleft()
            self.lines.pending.popleft()

    def _named(self, error: UsageError) -> str:
        """Return what is wrong; the position of a call is of no use to whom has a file with lines."""
        return _CALL.sub(f"line {self.lines.number}", error.description, count=1)

    def _ended(self, error: KeyboardInterrupt | OSError) -> Exit:
        """Write the outcomes in hand, unless nobody reads them or Ctrl-C comes again."""
        try:
            with held_back():
                self._take_rest()
            if isinstance(error, GivenUp | OSError):
                return self._unwritten(error)
            while self.hand:
                self._write()
            self._say_rest()
        except (KeyboardInterrupt, OSError) as again:  # Ctrl-C ends the other programs of a pipe as well
            self._unwritten(again)
        return exit_code()

    def _take_rest(self) -> None:
        """Take the rest of the outcomes of the request in hand; commands that never left count as not sent."""
        if isinstance(self.outcomes, Stream):
            self.hand.extend(self.outcomes.result)
        while self.hand and self.hand[-1].status == "skipped" and self.hand[-1].request_id is None:
            self.hand.pop()

    def _unwritten(self, error: KeyboardInterrupt | OSError) -> Exit:
        """Say which lines have an outcome that nobody can read."""
        code = ended_unwritten(error) if isinstance(error, OSError) else exit_code()
        drop_output()
        numbers = [line.number for line in self.lines.pending if line.number > self.report.last][: len(self.hand)]
        if numbers:
            lines = f"line {numbers[0]} was" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]} were"
            done = f"{lines} sent, but what became of it could not be written: look on the portal"
            self._say_next(done, numbers[-1])
        else:
            self._say_rest()
        return code

    def _say_rest(self) -> None:
        last = self.report.last
        if last:
            self._say_next(f"lines up to {last} have their outcome", last)
        else:
            say("nothing was sent")

    def _say_next(self, done: str, last: int) -> None:
        """Say what is done, up to the line `last`, and how to go on."""
        again = shlex.join(["b24batch", "run", "-", *self.options])
        command = f"with: tail -n +{last + 1} {shlex.quote(self.name)} | {again}"
        say(f"{done}; nothing after that was sent; go on {f'at line {last + 1}' if self.name == '-' else command}")

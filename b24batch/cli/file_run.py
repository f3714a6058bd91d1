"""Run a file of commands: send its lines, write their outcomes, and say what is left if it ends early."""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

import attrs

from b24batch.cli.interrupts import GivenUp, get_exit_code, hold_back
from b24batch.cli.lines import Lines, Report
from b24batch.cli.terminal import Exit, drop_output, report_unwritten, say
from b24batch.errors import UsageError
from b24batch.results import AjaxResult
from b24batch.streams import Stream

_CALL = re.compile(r"\Acall \d+")


@attrs.define
class FileRun:
    """The run of a file of commands.

    Attributes:
        name: The name of the file; ``-`` is stdin.
        options: The command line options with which to continue.
        lines: The lines of the file.
        report: Writes their outcomes.
        outcomes: The outcomes, one for each line, in order.
        hand: The outcomes that are known and not written yet. They belong to the first pending lines.
    """

    name: str
    options: Sequence[str]
    lines: Lines
    report: Report
    outcomes: Iterator[AjaxResult]
    hand: deque[AjaxResult] = attrs.field(factory=deque, init=False)

    def finish(self) -> Exit:
        """Send all lines, write all outcomes, and return the exit code; if it ends early, say where to continue."""
        try:
            while self._take():
                self._write()
        except UsageError as error:
            say(self._replace_position(error))
            self._say_rest()
            return Exit.UNKNOWN if self.report.code is Exit.UNKNOWN else Exit.USAGE
        except (KeyboardInterrupt, OSError) as error:
            return self._end(error)
        return self.report.code

    def _take(self) -> bool:
        """Take the next outcome, in one step that no signal can interrupt."""
        self.hand.extend(islice(self.outcomes, 1))
        return bool(self.hand)

    def _write(self) -> None:
        with hold_back():
            self.report.add(self.lines.pending[0], self.hand[0])
            self.hand.popleft()
            self.lines.pending.popleft()

    def _replace_position(self, error: UsageError) -> str:
        """Return the message, with the number of the line instead of the position of the call."""
        return _CALL.sub(f"line {self.lines.number}", error.description, count=1)

    def _end(self, error: KeyboardInterrupt | OSError) -> Exit:
        """Write the outcomes in hand, unless the output is closed or Ctrl-C is pressed again."""
        try:
            with hold_back():
                self._take_rest()
            if isinstance(error, GivenUp | OSError):
                return self._report_unwritten(error)
            while self.hand:
                self._write()
            self._say_rest()
        except (KeyboardInterrupt, OSError) as again:  # Ctrl-C also ends the other programs of a pipe
            self._report_unwritten(again)
        return get_exit_code()

    def _take_rest(self) -> None:
        """Take the remaining outcomes of the current request; leave out commands that were not sent."""
        if isinstance(self.outcomes, Stream):
            self.hand.extend(self.outcomes.result)
        while self.hand and self.hand[-1].status == "skipped" and self.hand[-1].request_id is None:
            self.hand.pop()

    def _report_unwritten(self, error: KeyboardInterrupt | OSError) -> Exit:
        """Say which lines have an outcome that could not be written."""
        code = report_unwritten(error) if isinstance(error, OSError) else get_exit_code()
        drop_output()
        numbers = [line.number for line in self.lines.pending if line.number > self.report.last][: len(self.hand)]
        if numbers:
            lines = f"line {numbers[0]} was" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]} were"
            done = f"{lines} sent, but the outcome could not be written: check the portal"
            self._say_next(done, numbers[-1])
        else:
            self._say_rest()
        return code

    def _say_rest(self) -> None:
        last = self.report.last
        if last:
            self._say_next(f"lines up to {last} have an outcome", last)
        else:
            say("nothing was sent")

    def _say_next(self, done: str, last: int) -> None:
        """Say what is done, up to the line `last`, and how to continue."""
        again = shlex.join(["b24batch", "run", "-", *self.options])
        command = f"with: tail -n +{last + 1} {shlex.quote(self.name)} | {again}"
        say(f"{done}; nothing after that was sent; continue {f'at line {last + 1}' if self.name == '-' else command}")

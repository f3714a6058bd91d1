"""The run of a file: its lines to the portal, their outcomes to the output, and what is left when it ends early."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import attrs

from b24batch.errors import AnswerLost, UsageError
from b24batch.program.lines import Lines, Report
from b24batch.program.terminal import Exit, ended_unwritten, say
from b24batch.results import AjaxResult

_CALL = re.compile(r"\Acall \d+")


@attrs.define
class FileRun:
    """A file of commands on its way.

    Attributes:
        name: What the file is called; ``-`` is stdin.
        lines: Its lines.
        report: Where their outcomes go.
        outcomes: The outcomes, one for each line and in their order.
    """

    name: str
    lines: Lines
    report: Report
    outcomes: Iterator[AjaxResult]

    def to_its_end(self) -> Exit:
        """Send all lines and write all outcomes; say so when it ends early, and return the exit code."""
        try:
            for row in self.outcomes:
                self._report(row)
        except UsageError as error:
            say(self._named(error))
            self._say_rest()
            return Exit.UNKNOWN if self.report.code is Exit.UNKNOWN else Exit.USAGE
        except KeyboardInterrupt as interrupt:
            return self._interrupted(interrupt)
        except OSError as error:
            return self._unwritten(error)
        return self.report.code

    def _report(self, row: AjaxResult) -> None:
        self.report.add(self.lines.pending[0], row)
        self.lines.pending.popleft()

    def _named(self, error: UsageError) -> str:
        """Return what is wrong; the position of a call is of no use to whom has a file with lines."""
        return _CALL.sub(f"line {self.lines.number}", error.description, count=1)

    def _interrupted(self, interrupt: KeyboardInterrupt) -> Exit:
        """Give the lines in flight their outcome, unless it is known that they never left."""
        sent = vars(interrupt).get("request_sent", not self.lines.reading)
        lost = AnswerLost("interrupted before the answer came")
        try:
            for line in list(self.lines.pending) if sent else ():
                if line.number > self.report.last:
                    self.report.add(line, AjaxResult(line.command, "unknown", error=lost))
        except OSError as error:  # Ctrl-C ends the other programs of a pipe as well
            self._unwritten(error)
        else:
            self._say_rest()
        return Exit.INTERRUPTED

    def _unwritten(self, error: OSError) -> Exit:
        code = ended_unwritten(error)
        first, last = self.report.last + 1, self.lines.pending[-1].number
        lines = f"line {last} was" if first == last else f"lines {first} to {last} were"
        self._say_next(f"{lines} sent, but what became of it could not be written: look on the portal", last)
        return code

    def _say_rest(self) -> None:
        last = self.report.last
        if last:
            self._say_next(f"lines up to {last} have their outcome", last)
        else:
            say("nothing was sent")

    def _say_next(self, done: str, last: int) -> None:
        """Say what is done, up to the line `last`, and how to go on."""
        command = f"with: tail -n +{last + 1} {shlex.quote(self.name)} | b24batch run -"
        say(f"{done}; nothing after that was sent; go on {f'at line {last + 1}' if self.name == '-' else command}")

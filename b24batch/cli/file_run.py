"""Run a file of commands: send its lines, write their outcomes, and say what is left if it ends early."""

from __future__ import annotations

import re
import shlex
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from b24batch.cli.interrupts import GivenUp, finish_first, get_exit_code, hold_back, is_told_to_end
from b24batch.cli.lines import Lines, Report
from b24batch.cli.terminal import Exit, drop_output, report_error, report_unwritten, say
from b24batch.cli.wording import to_shell
from b24batch.errors import JournalError, RunBusy, UsageError
from b24batch.results import AjaxResult
from b24batch.streams import Stream

if TYPE_CHECKING:
    from b24batch.cli.watched_journal import WatchedJournal

_CALL = re.compile(r"\Acall (\d+)")
_GOES_ON = "the same command goes on"


@attrs.define
class FileRun:
    """The run of a file of commands.

    Attributes:
        name: The name of the file; ``-`` is stdin.
        options: Returns the command line options with which to continue after so many commands.
        lines: The lines of the file.
        report: Writes their outcomes.
        outcomes: The outcomes, one for each line, in order.
        journal: Keeps them, so that the same command goes on; or None.
        hand: The outcomes that are known and not written yet. They belong to the first pending lines.
    """

    name: str
    options: Callable[[int], list[str]]
    lines: Lines
    report: Report
    outcomes: Iterator[AjaxResult]
    journal: WatchedJournal | None = None
    hand: deque[AjaxResult] = attrs.field(factory=deque, init=False)

    def finish(self) -> Exit:
        """Send all lines, write all outcomes, and return the exit code; if it ends early, say where to continue."""
        try:
            with finish_first(self._wind_down if self.journal is not None else None):
                while self._take():
                    self._write()
        except UsageError as error:
            say(self._replace_position(error))
            if self.journal is None:
                self._say_rest()
            return Exit.UNKNOWN if self.report.code is Exit.UNKNOWN else Exit.USAGE
        except (JournalError, RunBusy) as error:
            self._take_rest()
            self._write_rest()
            return report_error(error)
        except (KeyboardInterrupt, OSError) as error:
            return self._end(error)
        if self.journal is not None and (left := self.report.counts["skipped"]):
            total = self.report.counts.total()
            verb = "has its" if total - left == 1 else "have their"
            say(f"{total - left} of {total} {verb} outcome; {_GOES_ON}")
        return get_exit_code() if is_told_to_end() else self.report.code

    def _wind_down(self) -> bool:
        """Begin no further request, and return whether the requests in hand are to be finished first."""
        if self.journal is None or not isinstance(self.outcomes, Stream) or self.outcomes.wind_down is None:
            return False
        self.outcomes.wind_down()
        return self.journal.is_in_hand

    def _take(self) -> bool:
        """Take the next outcome, in one step that no signal can interrupt."""
        self.hand.extend(islice(self.outcomes, 1))
        return bool(self.hand)

    def _write(self) -> None:
        with hold_back():
            self.report.add(self.lines.pending[0], self.hand[0])
            self.hand.popleft()
            self.lines.pending.popleft()

    def _write_rest(self) -> None:
        while self.hand:
            self._write()

    def _replace_position(self, error: UsageError) -> str:
        """Return the message, with the number of the line instead of the position of the call."""
        return _CALL.sub(self._name_line, to_shell(error.description), count=1)

    def _name_line(self, call: re.Match[str]) -> str:
        following = [line.number for line in self.lines.pending]
        place = int(call[1]) - self.report.counts.total()
        return f"{self.lines.unit} {following[place] if 0 <= place < len(following) else self.lines.number}"

    def _end(self, error: KeyboardInterrupt | OSError) -> Exit:
        """Write the outcomes in hand, unless the output is closed or Ctrl-C is pressed again."""
        try:
            with hold_back():
                self._take_rest()
            if isinstance(error, GivenUp | OSError):
                return self._report_unwritten(error)
            self._write_rest()
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
        if numbers and self.journal is None:
            unit = self.lines.unit
            lines = f"{unit} {numbers[0]} was" if len(numbers) == 1 else f"{unit}s {numbers[0]} to {numbers[-1]} were"
            done = f"{lines} sent, but the outcome could not be written: check the portal"
            self._say_next(done, numbers[-1], len(numbers))
        else:
            self._say_rest()
        return code

    def _say_rest(self) -> None:
        if self.journal is not None:
            self._say_kept(self.journal)
            return
        last = self.report.last
        if last:
            self._say_next(f"{self.lines.unit}s up to {last} have an outcome", last, 0)
        else:
            say("nothing was sent")

    def _say_kept(self, journal: WatchedJournal) -> None:
        """Give the journal back, and say what it has."""
        if isinstance(self.outcomes, Stream):
            self.outcomes.close()
        say(f"{journal.name}: {journal.summary()}; {_GOES_ON}")

    def _say_next(self, done: str, last: int, unwritten: int) -> None:
        """Say what is done, up to the line `last`, and how to continue."""
        options = self.options(self.report.counts.total() + unwritten)
        if self.name == "-":
            way = f"at {self.lines.unit} {last + 1}"
        elif self.lines.can_be_cut:
            again = shlex.join(["b24batch", "run", "-", *options])
            way = f"with: tail -n +{last + 1} {shlex.quote(self.name)} | {again}"
        else:
            way = f"with: {shlex.join(['b24batch', 'run', self.name, *options, '--from', str(last + 1)])}"
        say(f"{done}; nothing after that was sent; continue {way}")

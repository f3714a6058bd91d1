"""The lines of a file of commands, and their outcomes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import TextIO

import attrs

from b24batch.calls.commands import Command
from b24batch.cli.part import Part
from b24batch.cli.progress import Progress
from b24batch.cli.sources import JsonFile
from b24batch.cli.terminal import Exit, to_json_line, write
from b24batch.errors import NotSent
from b24batch.results import AjaxResult
from b24batch.statuses import Status, counted


@attrs.frozen
class Line:
    """A line of the file: its number, from 1, its command with its name, and what the number counts."""

    number: int
    command: Command
    unit: str = "line"


@attrs.define
class Lines:
    """The lines of a file, read one by one.

    Attributes:
        part: The commands of the file, or some of them, with their numbers.
        pending: The lines that were read and have no outcome yet.
        number: The number of the last line that was read.
        named: Whether commands keep their names, which must then be unique.
    """

    part: Part
    named: bool = attrs.field(default=False, kw_only=True)
    pending: deque[Line] = attrs.field(factory=deque, init=False)
    number: int = attrs.field(default=0, init=False)

    @property
    def unit(self) -> str:
        """What the numbers count: usually lines."""
        return self.part.source.unit

    @property
    def can_be_cut(self) -> bool:
        """Whether the rest of the file, from any line on, is such a file as well."""
        return isinstance(self.part.source, JsonFile) and self.unit == "line" and self.part.only is None

    def commands(self) -> Iterator[Command]:
        """Yield the command of each line, if not `named` without its name: lines may repeat one, commands may not.

        Raises:
            UsageError: A line is invalid. The message begins with its number.
        """
        for number, command in self.part:
            self.number = number
            self.pending.append(Line(self.number, command, self.unit))
            yield command if self.named else attrs.evolve(command, name=None)


@attrs.define
class Report:
    """Writes the outcomes of lines to the output, and counts them.

    Attributes:
        output: Gets one line of JSON for each outcome, at once.
        progress: Counts the outcomes as well, and shows them; or None.
        counts: The number of outcomes with each status.
        last: The number of the last line whose outcome was written.
        first_error: The message of the first error.
        unreachable: Whether the last command attempted did not reach the portal.
    """

    output: TextIO
    progress: Progress | None = None
    counts: Counter[Status] = attrs.field(factory=Counter, init=False)
    last: int = attrs.field(default=0, init=False)
    first_error: str = attrs.field(default="", init=False)
    unreachable: bool = attrs.field(default=False, init=False)

    def add(self, line: Line, row: AjaxResult) -> None:
        """Write the outcome of a line."""
        write(self.output, to_json_line({"line": line.number, **row.to_dict(), "name": line.command.name}))
        self.last = line.number
        self._count(line, row)
        if self.progress is not None:
            self.progress.add(1, row.status)

    def _count(self, line: Line, row: AjaxResult) -> None:
        self.counts[row.status] += 1
        if row.status != "skipped":
            self.unreachable = isinstance(row.error, NotSent)
        if row.error is not None and not self.first_error:
            self.first_error = f"; first error: {line.unit} {line.number}: {row.error}"

    @property
    def code(self) -> Exit:
        """The exit code for all outcomes; a single unknown one takes precedence."""
        if self.counts["unknown"]:
            return Exit.UNKNOWN
        if self.unreachable:
            return Exit.UNREACHABLE
        return Exit.FAILED if self.counts["failed"] or self.counts["skipped"] else Exit.OK

    def summarize(self) -> str:
        """Return one line: the number of commands with each outcome, and the first error."""
        total = self.counts.total()
        return f"{total} command{'s' * (total != 1)}: {counted(self.counts)}{self.first_error}"

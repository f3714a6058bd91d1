"""A file of commands, one JSON object a line, and the outcomes of its lines."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import TextIO

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.earlier import MEMORY, Earlier
from b24batch.cli.params import decoded
from b24batch.cli.terminal import Exit, json_line
from b24batch.errors import NotSent, UsageError
from b24batch.redaction import shown
from b24batch.results import AjaxResult
from b24batch.statuses import Status, counted

_KEYS = ("method", "params", "name", "idempotent")
_NO_REFERENCES = "lines cannot refer to each other, ref(...) in Python does; b24batch call sends it as text"


@attrs.frozen
class Line:
    """A line that was read: its number from 1, and its command with the name that the line gives it."""

    number: int
    command: Command


@attrs.define
class Lines:
    """The lines of a file, read one by one; blank ones are passed over.

    Attributes:
        file: Where they come from.
        pending: Those that were read and have no outcome yet.
        number: That of the line read last.
    """

    file: Iterable[bytes]
    pending: deque[Line] = attrs.field(factory=deque, init=False)
    number: int = attrs.field(default=0, init=False)
    _earlier: Earlier = attrs.field(factory=lambda: Earlier(MEMORY), init=False)

    def commands(self) -> Iterator[Command]:
        """Yield the command of each line, without its name: names of lines may repeat, those of commands may not.

        Raises:
            UsageError: For a line that is no command; it begins with the number of the line.
        """
        for command in self._read():
            self.pending.append(Line(self.number, command))
            yield attrs.evolve(command, name=None)

    def _read(self) -> Iterator[Command]:
        try:
            for text in self.file:
                self.number += 1
                if text.strip():
                    yield self._command(text)
        except OSError as error:
            reason = f"line {self.number + 1}: cannot be read: {error.strerror}"
        else:
            return
        raise UsageError(reason)

    def _command(self, text: bytes) -> Command:
        try:
            command = command_of(decoded(text.rstrip()))
            self._earlier.refuse_spelt(command.params, "", _NO_REFERENCES)
        except UsageError as error:
            reason = error.description
        else:
            self._earlier.add(command.name or str(self.number), command.name)
            return command
        raise UsageError(f"line {self.number}: {reason}")


def command_of(value: JsonValue) -> Command:
    """Return the command that the JSON value of a line stands for; raise `UsageError` when it stands for none."""
    if not isinstance(value, dict):
        raise UsageError(f"is no object with a method and params but {shown(value)}")
    if unknown := sorted(value.keys() - set(_KEYS)):
        raise UsageError(f"may have {', '.join(_KEYS)}, but has {', '.join(map(shown, unknown))}")
    if "method" not in value:
        raise UsageError("has no method")
    idempotent = value.get("idempotent", False)
    if not isinstance(idempotent, bool):
        raise UsageError(f"idempotent is true or false, not {shown(idempotent)}")
    return Command(value["method"], value.get("params"), name=value.get("name"), idempotent=idempotent)


@attrs.define
class Report:
    """The outcomes of lines on their way to the output, and what is remembered of them.

    Attributes:
        output: Gets one line of JSON for each, at once.
        counts: How many there are of each status.
        last: The number of the last line whose outcome was written.
        first_error: What is said of the first error.
        unreachable: Whether the command attempted last did not reach the portal.
    """

    output: TextIO
    counts: Counter[Status] = attrs.field(factory=Counter, init=False)
    last: int = attrs.field(default=0, init=False)
    first_error: str = attrs.field(default="", init=False)
    unreachable: bool = attrs.field(default=False, init=False)

    def add(self, line: Line, row: AjaxResult) -> None:
        """Write the outcome of a line."""
        self.output.write(json_line({"line": line.number, **row.to_dict(), "name": line.command.name}))
        self.output.flush()
        self.last = line.number
        self._count(line, row)

    def _count(self, line: Line, row: AjaxResult) -> None:
        self.counts[row.status] += 1
        if row.status != "skipped":
            self.unreachable = isinstance(row.error, NotSent)
        if row.error is not None and not self.first_error:
            self.first_error = f"; first error: line {line.number}: {row.error}"

    @property
    def code(self) -> Exit:
        """The exit code for all outcomes; a single unknown one outweighs the rest."""
        if self.counts["unknown"]:
            return Exit.UNKNOWN
        if self.unreachable:
            return Exit.UNREACHABLE
        return Exit.FAILED if self.counts["failed"] or self.counts["skipped"] else Exit.OK

    def summary(self) -> str:
        """Return one line: how many commands had which outcome, and the first error."""
        total = self.counts.total()
        return f"{total} command{'s' * (total != 1)}: {counted(self.counts)}{self.first_error}"

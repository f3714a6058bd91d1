"""A file of commands, one JSON object per line, and the outcomes of its lines."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import TextIO

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.earlier import MEMORY, Earlier
from b24batch.cli.params import decode_json
from b24batch.cli.terminal import Exit, to_json_line
from b24batch.errors import NotSent, UsageError
from b24batch.redaction import shown
from b24batch.results import AjaxResult
from b24batch.statuses import Status, counted

_KEYS = ("method", "params", "name", "idempotent")
_NO_REFERENCES = "lines cannot refer to each other: use ref(...) in Python, or send it as text with b24batch call"


@attrs.frozen
class Line:
    """A line of the file: its number, from 1, and its command with its name."""

    number: int
    command: Command


@attrs.define
class Lines:
    """The lines of a file, read one by one; blank lines are skipped.

    Attributes:
        file: The file.
        pending: The lines that were read and have no outcome yet.
        number: The number of the last line that was read.
        named: Whether commands keep their names, which must then be unique.
    """

    file: Iterable[bytes]
    named: bool = attrs.field(default=False, kw_only=True)
    pending: deque[Line] = attrs.field(factory=deque, init=False)
    number: int = attrs.field(default=0, init=False)
    _earlier: Earlier = attrs.field(factory=lambda: Earlier(MEMORY), init=False)

    def commands(self) -> Iterator[Command]:
        """Yield the command of each line, if not `named` without its name: lines may repeat one, commands may not.

        Raises:
            UsageError: A line is invalid. The message begins with its number.
        """
        for command in self._read():
            self.pending.append(Line(self.number, command))
            yield command if self.named else attrs.evolve(command, name=None)

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
            command = make_command(decode_json(text.rstrip()))
            self._earlier.refuse_spelt(command.params, "", _NO_REFERENCES)
        except UsageError as error:
            reason = error.description
        else:
            self._earlier.add(command.name or str(self.number), command.name)
            return command
        raise UsageError(f"line {self.number}: {reason}")


def make_command(value: JsonValue) -> Command:
    """Return the command in the JSON value of a line; raise `UsageError` if it is invalid."""
    if not isinstance(value, dict):
        raise UsageError(f"expected an object with a method and params, got {shown(value)}")
    if unknown := sorted(value.keys() - set(_KEYS)):
        raise UsageError(f"expected only {', '.join(_KEYS)}, got {', '.join(map(shown, unknown))}")
    if "method" not in value:
        raise UsageError("has no method")
    idempotent = value.get("idempotent", False)
    if not isinstance(idempotent, bool):
        raise UsageError(f"idempotent: expected true or false, got {shown(idempotent)}")
    return Command(value["method"], value.get("params"), name=value.get("name"), idempotent=idempotent)


@attrs.define
class Report:
    """Writes the outcomes of lines to the output, and counts them.

    Attributes:
        output: Gets one line of JSON for each outcome, at once.
        counts: The number of outcomes with each status.
        last: The number of the last line whose outcome was written.
        first_error: The message of the first error.
        unreachable: Whether the last command attempted did not reach the portal.
    """

    output: TextIO
    counts: Counter[Status] = attrs.field(factory=Counter, init=False)
    last: int = attrs.field(default=0, init=False)
    first_error: str = attrs.field(default="", init=False)
    unreachable: bool = attrs.field(default=False, init=False)

    def add(self, line: Line, row: AjaxResult) -> None:
        """Write the outcome of a line."""
        self.output.write(to_json_line({"line": line.number, **row.to_dict(), "name": line.command.name}))
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

"""A part of a file of commands: what is to be sent of it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from b24batch.calls.commands import Command
from b24batch.calls.earlier import MEMORY, Earlier
from b24batch.cli.sources import Numbered, Source
from b24batch.errors import UsageError

_NO_REFERENCES = "lines cannot refer to each other: use ref(...) in Python, or send it as text with b24batch call"


@attrs.define
class Part:
    """A part of a source.

    Attributes:
        source: The commands.
        first: The number of the first command to send.
        only: The numbers of the commands to send; None for all.
        limit: The maximum number of commands; None for all.
    """

    source: Source
    first: int = 1
    only: frozenset[int] | None = None
    limit: int | None = None

    def count(self) -> int | None:
        """Return the number of commands; None if it is not known before they are read."""
        count = sum(map(self._has, self.source.numbers())) or None
        return count and min(count, self.limit or count)

    def __iter__(self) -> Iterator[Numbered]:
        """Read the commands of the part; raise `UsageError` for text that looks like a reference to an earlier one."""
        left, earlier = self.limit, Earlier(MEMORY)
        for number, command in self.source:
            if not self._has(number):
                continue
            self._refuse_references(number, command, earlier)
            earlier.add(command.name or str(number), command.name)
            yield number, command
            if left is not None and (left := left - 1) == 0:
                return

    def check(self) -> None:
        """Read all commands; raise `UsageError` for the first one that is invalid."""
        for _ in self:
            pass

    def _refuse_references(self, number: int, command: Command, earlier: Earlier) -> None:
        try:
            earlier.refuse_spelt(command.params, "", _NO_REFERENCES)
        except UsageError as error:
            reason = error.description
        else:
            return
        raise UsageError(f"{self.source.unit} {number}: {reason}")

    def _has(self, number: int) -> bool:
        return number >= self.first and (self.only is None or number in self.only)

"""A part of a file of commands: what is to be sent of it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from b24batch.cli.sources import Numbered, Source


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
        """Read the commands of the part."""
        left = self.limit
        for number, command in self.source:
            if not self._has(number):
                continue
            yield number, command
            if left is not None and (left := left - 1) == 0:
                return

    def _has(self, number: int) -> bool:
        return number >= self.first and (self.only is None or number in self.only)

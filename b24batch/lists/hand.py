"""The pages of a list that are in hand: those that arrived and are being yielded."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import chain

import attrs

from b24batch.lists.families import Row


@attrs.define(eq=False)
class Hand:
    """Pages that are being yielded.

    Attributes:
        pages: The pages.
        before: The number of rows that were yielded before them.
        left: Yields the pages.
    """

    pages: list[list[Row]] = attrs.field(factory=list)
    before: int = 0
    left: Iterator[list[Row]] = attrs.field(init=False)

    @left.default
    def _iterate(self) -> Iterator[list[Row]]:
        return iter(self.pages)

    @property
    def unread(self) -> list[Row]:
        """The rows that were not yielded yet."""
        return list(chain.from_iterable(copy(self.left)))

    @property
    def yielded(self) -> int:
        """The number of rows that were yielded."""
        return self.before + sum(map(len, self.pages)) - len(self.unread)

    def then(self, pages: list[list[Row]]) -> Hand:
        """Return the hand after this one."""
        return Hand(pages, self.yielded)

"""Places: where in a list a row is, so that the list can be read from the middle."""

from __future__ import annotations

from copy import copy

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.lists.pages import _UNCOUNTED, ByCursor


class FromPlace(ByCursor):
    """Pages by cursor that may begin anywhere. The place of a row is its id, with `descending` the negative id."""

    def page(self) -> Command:
        """Return the call for the next page alone."""
        return self.ask(1)[0].command

    def reverse(self) -> FromPlace:
        """Return the way through the same list from its other end."""
        return FromPlace(self.command, self.family, not self.descending)

    def behind(self, place: int) -> FromPlace:
        """Return the way through the rows behind a place; no row need be there."""
        way = copy(self)
        way.ended = False
        way._start, way._count, way._last_id = _UNCOUNTED, 0, place * self._sign
        return way

    def place(self, row: JsonValue) -> int:
        """Return the place of a row that was taken."""
        return int(row[self.family.id_key]) * self._sign

    @property
    def reached(self) -> int | None:
        """The place of the last row that was taken, or where the way began; None at the beginning of the list."""
        return None if self._last_id is None else int(self._last_id) * self._sign

    @property
    def _sign(self) -> int:
        return -1 if self.descending else 1

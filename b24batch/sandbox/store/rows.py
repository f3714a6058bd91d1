"""Rows of the store, by id, and the ids in order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import attrs

from b24batch.sandbox.php.values import JSON

#: A row: the names of its fields are the portal's upper-case ones.
Row = dict[JSON, JSON]


@attrs.define
class Table:
    """Rows under ids that only grow, so their order needs no sorting."""

    rows: dict[int, Row] = attrs.field(factory=dict, init=False)
    ids: list[int] = attrs.field(factory=list, init=False)
    _last: int = attrs.field(default=0, init=False)

    def add(self, row: Row) -> int:
        """Store a row and return its id, which is also put into ``ID``."""
        self._last += 1
        self.rows[self._last] = {"ID": self._last, **row}
        self.ids.append(self._last)
        return self._last

    def delete(self, row_id: int) -> bool:
        """Remove a row; return False if it does not exist."""
        if self.rows.pop(row_id, None) is None:
            return False
        del self.ids[bisect_left(self.ids, row_id)]
        return True

    def between(self, low: float, high: float) -> Sequence[int]:
        """Return the ids from ``low`` to ``high``, both included, in order."""
        if low <= 1 and high >= self._last:
            return self.ids
        return self.ids[bisect_left(self.ids, low) : bisect_left(self.ids, high + 0.5)]

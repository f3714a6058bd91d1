"""Which rows of a table, in which order, and the pages of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import inf

import attrs

from b24batch.sandbox.php.values import JSON, list_items, to_int
from b24batch.sandbox.server.answers import Page
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.rows import Row, Table

#: The documented size of a page.
PAGE_SIZE = 50

#: A field: its key in a row, and its kind.
Field = tuple[str, str]

#: Tells the field by the name a caller uses; None for an unknown one.
Resolve = Callable[[str], Field | None]

#: What a condition on the id does to the range of ids.
_BOUNDS: dict[str, Callable[[int], tuple[float, float]]] = {
    ">": lambda limit: (limit + 1, inf),
    ">=": lambda limit: (limit, inf),
    "<": lambda limit: (-inf, limit - 1),
    "<=": lambda limit: (-inf, limit),
    "=": lambda limit: (limit, limit),
    "": lambda limit: (limit, limit),
}


@attrs.define
class Query:
    """Rows that pass every test, from one id to another."""

    low: float = 1
    high: float = inf
    tests: list[Callable[[Row], bool]] = attrs.field(factory=list)
    order: list[tuple[str, bool]] = attrs.field(factory=list)

    def where(self, prefix: str, field: Field, value: JSON) -> None:
        """Add a condition; one on the id narrows the range instead of being tested on every row."""
        key, kind = field
        several = isinstance(value, (list, dict)) and prefix in filters.TAKES_ARRAY
        if key == "ID" and prefix in _BOUNDS and value not in (None, "") and not several:
            low, high = _BOUNDS[prefix](to_int(value))
            self.low, self.high = max(self.low, low), min(self.high, high)
            return
        passes = filters.make_test(prefix, kind, value)
        self.tests.append(lambda row: passes(row.get(key)))

    def matches(self, row: Row) -> bool:
        """Return whether a row matches."""
        return self.low <= row["ID"] <= self.high and all(test(row) for test in self.tests)

    def order_by(self, order: JSON, resolve: Resolve) -> None:
        """Take over an order map ``{name: "ASC" or "DESC"}``; unknown names are dropped."""
        fields = ((resolve(str(name)), str(way)) for name, way in list_items(order))
        self.order = [(field[0], way.strip().upper().startswith("DESC")) for field, way in fields if field]

    def ids(self, table: Table) -> Sequence[int]:
        """Return the ids of all rows found, in order."""
        if not self._by_id():
            return self._sort(table)
        ids = self._find_range(table)
        return list(self._filter(table, ids)) if self.tests else ids

    def first(self, table: Table) -> list[int]:
        """Return the ids of the first page without looking for more than it needs."""
        if not self._by_id():
            return self._sort(table)[:PAGE_SIZE]
        return list(islice(self._filter(table, self._find_range(table)), PAGE_SIZE))

    def _by_id(self) -> bool:
        return not self.order or self.order[0][0] == "ID"

    def _find_range(self, table: Table) -> Sequence[int]:
        ids = table.between(self.low, self.high)
        return ids[::-1] if self.order and self.order[0][1] else ids

    def _filter(self, table: Table, ids: Sequence[int]) -> Iterator[int]:
        rows, tests = table.rows, self.tests
        return (row_id for row_id in ids if all(test(rows[row_id]) for test in tests))

    def _sort(self, table: Table) -> list[int]:
        found = list(self._filter(table, table.between(self.low, self.high)))
        for key, descending in reversed(self.order):
            found.sort(key=lambda row_id, key=key: _get_rank(table.rows[row_id].get(key)), reverse=descending)  # type: ignore[misc]
        return found


def _get_rank(value: JSON) -> tuple[int, JSON]:
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, (int, float)) else (2, str(value).casefold())


@attrs.frozen
class Family:
    """How a family of list methods pages.

    Attributes:
        floors: ``start`` is rounded down to a multiple of the page.
        wraps: Past the end comes page 1 again, not an empty one.
        uncounted: The ``total`` of an answer to ``start=-1``.

    """

    floors: bool = True
    wraps: bool = False
    uncounted: int | None = None

    def page(self, table: Table, query: Query, start: int) -> Page:
        """Return one page of rows as the table has them; ``start`` below 0 asks for no count."""
        if start < 0:
            return Page([table.rows[row_id] for row_id in query.first(table)], None, self.uncounted)
        offset = start - start % PAGE_SIZE if self.floors else start
        ids = query.ids(table)
        if self.wraps and offset >= len(ids):
            offset = 0
        after = offset + PAGE_SIZE
        rows = [table.rows[row_id] for row_id in ids[offset:after]]
        return Page(rows, after if after < len(ids) else None, len(ids))


#: ``crm.<entity>.list``, ``entity.*``, ``department.get``.
LEGACY = Family(wraps=True, uncounted=0)

#: ``crm.item.list``, ``tasks.task.list``.
CONTROLLER = Family()

#: ``user.get``.
EXACT = Family(floors=False, uncounted=0)

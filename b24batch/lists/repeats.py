"""Repeats: rows that came before, and moved to a later page while the list was read by ``start``."""

from __future__ import annotations

import attrs

from b24batch.aliases import JsonValue


@attrs.define(eq=False)
class Repeats:
    """The rows so far, by id. Rows without an id are never taken for repeats.

    Args:
        id_key: The name of the id in a row; empty if there is none.
        sure: Whether the method is known to have ids there. Otherwise a row is a repeat only if all its values are.
        named: Whether the caller named the id. It is then used until a page has an id twice.

    Attributes:
        page: The rows of the last page, including repeats.
        known: Whether the rows of the last page have ids, so that repeats are recognised.
    """

    id_key: str
    sure: bool
    named: bool
    _seen: dict[str, int] = attrs.field(factory=dict, init=False)
    page: list[JsonValue] = attrs.field(factory=list, init=False)
    known: bool = attrs.field(default=False, init=False)
    _first: list[JsonValue] = attrs.field(factory=list, init=False)
    _last: list[JsonValue] = attrs.field(factory=list, init=False)

    def remove_from(self, rows: list[JsonValue]) -> list[JsonValue]:
        """Return the rows of a page that did not come before."""
        self.page = rows
        ids = self._get_ids(rows)
        self.known = ids is not None
        if ids is None:
            return self._remove_same(rows)
        return [row for row, row_id in zip(rows, ids, strict=True) if self._is_new(row, row_id)]

    def _get_ids(self, rows: list[JsonValue]) -> list[str] | None:
        """Return the ids of `rows`; None if they have none, or values that are not ids, for example all the same."""
        if not self.id_key or not all(isinstance(row, dict) and row.get(self.id_key) is not None for row in rows):
            return None
        ids = [str(row[self.id_key]) for row in rows]
        different = len(set(ids))
        if different < len(ids) and (different == 1 or self.named or different < len(set(map(_hash_content, rows)))):
            self.id_key = ""
            return None
        return ids

    def _is_new(self, row: dict[str, JsonValue], row_id: str) -> bool:
        content = 0 if self.sure else _hash_content(row)
        if self._seen.get(row_id) == content:
            return False
        self._seen[row_id] = content
        return True

    def _remove_same(self, rows: list[JsonValue]) -> list[JsonValue]:
        if rows and rows in (self._first, self._last):
            return []
        self._first, self._last = self._first or rows, rows
        return rows


def _hash_content(row: dict[str, JsonValue]) -> int:
    return hash(tuple(map(str, row.values())))

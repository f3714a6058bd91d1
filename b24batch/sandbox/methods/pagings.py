"""The ways in which lists come: by pages of several kinds, or whole."""

from __future__ import annotations

from collections.abc import Callable

from b24batch.sandbox.php.values import to_int
from b24batch.sandbox.rest.dispatcher import Params
from b24batch.sandbox.server.answers import Page
from b24batch.sandbox.store.queries import PAGE_SIZE, Family, Query
from b24batch.sandbox.store.rows import Row, Table

#: The page of methods with ``limit`` and ``offset``.
_LIMIT = 20

#: Returns the rows that one request gets.
Paging = Callable[[Family, Table, Query, Params], Page]


def _pages(family: Family, table: Table, query: Query, params: Params) -> Page:
    return family.page(table, query, params.start)


def _silent(family: Family, table: Table, query: Query, params: Params) -> Page:
    """Pages that never tell whether there are more."""
    return Page(family.page(table, query, max(params.start, 0)).rows, None, 0)


def _whole(family: Family, table: Table, query: Query, params: Params) -> Page:
    del family, params
    found = find_rows(table, query)
    return Page(found, None, len(found))


def _numbered(family: Family, table: Table, query: Query, params: Params) -> Page:
    """Pages by their number from 1 on; a ``start`` is not read."""
    del family
    begin = (max(to_int(params.get("page")), 1) - 1) * PAGE_SIZE
    return Page(find_rows(table, query)[begin : begin + PAGE_SIZE])


def _limited(family: Family, table: Table, query: Query, params: Params) -> Page:
    """Pieces by ``offset`` and ``limit``; a ``start`` is not read."""
    del family
    begin = max(to_int(params.get("offset")), 0)
    return Page(find_rows(table, query)[begin : begin + (to_int(params.get("limit")) or _LIMIT)])


def find_rows(table: Table, query: Query) -> list[Row]:
    """Return all rows that a query finds, in its order."""
    return [table.rows[row_id] for row_id in query.ids(table)]


#: The kinds whose filter knows no ``>ID``.
WITHOUT_CURSOR = ("start", "silent", "whole")

#: What a kind of records calls its paging.
PAGINGS: dict[str, Paging] = {
    "cursor": _pages,
    "start": _pages,
    "silent": _silent,
    "whole": _whole,
    "all": _whole,
    "page": _numbered,
    "offset": _limited,
}

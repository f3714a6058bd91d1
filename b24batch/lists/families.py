"""Families of list methods: how they page, and the names of their filter, order and id."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias, get_args

import attrs

from b24batch.aliases import JsonValue, Params
from b24batch.errors import UsageError
from b24batch.lists.list_methods import LIST_METHODS
from b24batch.lists.shapes import Shape
from b24batch.redaction import shown

Row: TypeAlias = dict[str, JsonValue]
Paging: TypeAlias = Literal["cursor", "start", "whole"]
_PAGINGS = get_args(Paging)
#: The only method whose filter may contain a group of conditions with its own ``LOGIC``.
_WITH_GROUPS = "crm.item.list"


@attrs.frozen
class Family:
    """How the list methods of a family page, and the names of the parameters for it.

    Attributes:
        kind: How they page according to the table: ``cursor``, ``start``, ``whole``, or ``own`` for their own
            parameters; empty for a method that is not in the table.
        id_key: The name of the id in a row; empty if rows have none.
        cursor_id_key: The name of the id in filter, order and select.
        result_key: The key of the result that holds the rows; None if the result is the list itself.
        filter: The name of the filter parameter; empty if it is not known.
        order: The name of the order parameter; empty if it is not known.
        sort: The name of the parameter for the field to sort by, if `order` is only the direction; otherwise empty.
        word: A property of the pages: ``thinned``, ``silent``, ``sized`` or ``keyed``; see `list_methods`.
        own: The paging parameters of a method of kind ``own``, or of another method that pages if they are given.
        groups: Whether a filter may contain a group of conditions with its own ``LOGIC``.
        named: Whether the caller gave a different name for the id than the table.
        open: Whether the only list in a result is taken as the rows.
    """

    kind: str = ""
    id_key: str = "ID"
    cursor_id_key: str = "ID"
    filter: str = ""
    order: str = ""
    sort: str = ""
    word: str = ""
    own: str = ""
    result_key: str | None = None
    groups: bool = False
    named: bool = False
    open: bool = True

    def with_cursor(self, params: Iterable[str]) -> Family:
        """Return the family with names for filter and order, as in the caller's `params` or as in most methods."""
        spelt = {name.casefold(): name for name in params}
        filter, order = self.filter or spelt.get("filter", "filter"), self.order or "order"
        return attrs.evolve(self, filter=filter, order=order)

    def order_by_id(self, direction: str) -> dict[str, JsonValue]:
        """Return the parameters that order by id, ``ASC`` or ``DESC``."""
        if self.sort:
            return {self.sort: self.cursor_id_key, self.order: direction}
        return {self.order: {self.cursor_id_key: direction}}

    @property
    def shape(self) -> Shape:
        """The shape of the results."""
        return Shape(self.result_key, "keyed" in self.word, self.open)

    @property
    def own_names(self) -> set[str]:
        """The names of its own paging parameters in lower case; of a nested one, the innermost."""
        return {name.rpartition(".")[2] for name in re.findall(r"[\w.]+", self.own.casefold())}

    @property
    def own_way(self) -> str:
        """The end of an error message: how it pages, and what to do."""
        if self.own == "-":
            return "in an undocumented way: read it with call, or try paging='start' or 'cursor'"
        return f"with its own parameters ({self.own}): page with call, or pass them with paging='whole' to get one page"

    @property
    def path(self) -> tuple[str, ...]:
        """The path from a result to its rows."""
        return () if self.result_key is None else (self.result_key,)


def find_family(method: str, id_key: str | None, cursor_id_key: str | None, result_key: str | None) -> Family:
    """Return the family of `method`; keys that the caller gives replace its own."""
    family = _load_families().get(method.casefold(), Family())
    if cursor_id_key is None and family.kind != "cursor":
        cursor_id_key = id_key
    given = dict(_check_keys({"id_key": id_key, "cursor_id_key": cursor_id_key, "result_key": result_key}))
    if result_key is not None:
        given["open"] = False
    if family.kind and not family.id_key:
        given["id_key"] = ""  # rows without ids may share the named field, such as two addresses of one entity
    made = attrs.evolve(family, **given)
    same = (made.id_key, made.cursor_id_key) == (family.id_key, family.cursor_id_key)
    return attrs.evolve(made, named=not same or (not family.kind and id_key is not None))


def choose_paging(method: str, family: Family, paging: str | None, params: Params) -> str:
    """Return how `method` is paged: as the caller says, or as in the table, or else by cursor.

    Raises:
        UsageError: If `paging` is invalid, or the method pages with its own parameters. Those are accepted in
            `params` with ``whole``, which returns the one page that they select.
    """
    if paging is not None and paging not in _PAGINGS:
        raise UsageError(f"paging: expected {', '.join(map(repr, _PAGINGS))} or None, got {shown(paging)}")
    given, own = not family.own_names.isdisjoint(_walk_names(params)), family.kind == "own"
    if (paging is None and (given or own)) or (paging == "whole" and own and not given):
        raise UsageError(f"{method} pages {family.own_way}")
    return paging or family.kind or "cursor"


def _walk_names(params: JsonValue | Params) -> Iterator[str]:
    """Yield all names in `params`, at any depth, in lower case."""
    if isinstance(params, Mapping):
        yield from (str(name).casefold() for name in params)
        params = list(params.values())
    if isinstance(params, list | tuple):
        for value in params:
            yield from _walk_names(value)


@functools.cache
def _load_families() -> dict[str, Family]:
    return dict(_read_table())


def _read_table() -> Iterator[tuple[str, Family]]:
    family = Family()
    for line in LIST_METHODS.strip().splitlines():
        if not line.startswith(" "):
            family = _read_head(line)
            continue
        for name, _, key in (entry.partition("=") for entry in line.split()):
            method, somewhere = name.casefold(), key == "?" or (family.kind == "whole" and not key)
            under = None if key in ("", "?") else key
            yield method, attrs.evolve(family, result_key=under, groups=method == _WITH_GROUPS, open=somewhere)


def _read_head(line: str) -> Family:
    kind, *words, own = [*line.split(" ", 7), ""][:8]
    id_key, cursor_id_key, conditions, order, sort, word = ("" if text == "-" else text for text in words)
    return Family(kind, id_key, cursor_id_key or id_key, conditions, order, sort, word, own)


def _check_keys(given: dict[str, str | None]) -> Iterator[tuple[str, JsonValue]]:
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, str) or not value or "]" in value or any(map(str.isspace, value)):
            raise UsageError(f"{name}: expected a name without spaces or ], got {shown(value)}")
        yield name, value

"""Families of list methods: how their pages are asked for, and what filter, order and id are called."""

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
#: The only method whose filter may hold a group of conditions with a logic of its own.
_WITH_GROUPS = "crm.item.list"


@attrs.frozen
class Family:
    """How the list methods of a family page, and how they spell what a page needs.

    Attributes:
        kind: How the table says that they page: ``cursor``, ``start``, ``whole``, or ``own`` for parameters of their
            own; empty for a method that is not in it.
        id_key: The id in a row; empty when rows have none.
        cursor_id_key: The id in a filter, an order and a select.
        result_key: Where the rows lie in the result; None when the result is the list itself.
        filter: The parameter of the filter; empty where nobody knows it.
        order: The parameter of the order; empty where nobody knows it.
        sort: The parameter of the field to sort by, where `order` holds the direction alone; empty elsewhere.
        word: What the table says of the pages: ``thinned``, ``silent``, ``sized``, ``keyed``; see `list_methods`.
        own: The parameters by which a method of kind ``own`` pages, and another one if they are given.
        groups: Whether a filter may hold a group of conditions with a logic of its own.
        named: Whether the caller named the id, other than the table does.
        open: Whether the only list in a result is taken for the rows.
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
        """Return the family with a filter and an order: as among the caller's `params`, or as most methods have it."""
        spelt = {name.casefold(): name for name in params}
        filter, order = self.filter or spelt.get("filter", "filter"), self.order or "order"
        return attrs.evolve(self, filter=filter, order=order)

    def ordered(self, direction: str) -> dict[str, JsonValue]:
        """Return the parameters that order by id, ``ASC`` or ``DESC``."""
        if self.sort:
            return {self.sort: self.cursor_id_key, self.order: direction}
        return {self.order: {self.cursor_id_key: direction}}

    @property
    def shape(self) -> Shape:
        """What is known of the results."""
        return Shape(self.result_key, "keyed" in self.word, self.open)

    @property
    def own_names(self) -> set[str]:
        """The parameters by which it pages, without case; of nested ones the innermost."""
        return {name.rpartition(".")[2] for name in re.findall(r"[\w.]+", self.own.casefold())}

    @property
    def own_way(self) -> str:
        """What to do about a way of paging of its own."""
        if self.own == "-":
            return "in a way that is not documented: read it with call, or try paging='start' or 'cursor'"
        return (
            f"with parameters of its own ({self.own}): page with call, or give them and take one page, paging='whole'"
        )

    @property
    def path(self) -> tuple[str, ...]:
        """The way from a result to its rows."""
        return () if self.result_key is None else (self.result_key,)


def family_of(method: str, id_key: str | None, cursor_id_key: str | None, result_key: str | None) -> Family:
    """Return the family of `method`, with the keys that the caller gives in the place of its own."""
    family = _families().get(method.casefold(), Family())
    if cursor_id_key is None and family.kind != "cursor":
        cursor_id_key = id_key
    given = dict(_checked({"id_key": id_key, "cursor_id_key": cursor_id_key, "result_key": result_key}))
    if result_key is not None:
        given["open"] = False
    if family.kind and not family.id_key:
        given["id_key"] = ""  # rows without an id of their own share whatever is named: two addresses an entity
    made = attrs.evolve(family, **given)
    same = (made.id_key, made.cursor_id_key) == (family.id_key, family.cursor_id_key)
    return attrs.evolve(made, named=not same or (not family.kind and id_key is not None))


def paging_of(method: str, family: Family, paging: str | None, params: Params) -> str:
    """Return how `method` is paged: as the caller says, else by the table, else by cursor.

    Raises:
        UsageError: For a word that is none, and for a method that pages with parameters of its own, unless these
            are among the `params` and ``whole`` is wanted: the one page that they name.
    """
    if paging is not None and paging not in _PAGINGS:
        raise UsageError(f"paging is {', '.join(map(repr, _PAGINGS))} or None, not {shown(paging)}")
    given, own = not family.own_names.isdisjoint(_names(params)), family.kind == "own"
    if (paging is None and (given or own)) or (paging == "whole" and own and not given):
        raise UsageError(f"{method} pages {family.own_way}")
    return paging or family.kind or "cursor"


def _names(params: JsonValue | Params) -> Iterator[str]:
    """Yield all names in `params`, without case."""
    if isinstance(params, Mapping):
        yield from (str(name).casefold() for name in params)
        params = list(params.values())
    if isinstance(params, list | tuple):
        for value in params:
            yield from _names(value)


@functools.cache
def _families() -> dict[str, Family]:
    return dict(_table())


def _table() -> Iterator[tuple[str, Family]]:
    family = Family()
    for line in LIST_METHODS.strip().splitlines():
        if not line.startswith(" "):
            family = _head(line)
            continue
        for name, _, key in (entry.partition("=") for entry in line.split()):
            method, somewhere = name.casefold(), key == "?" or (family.kind == "whole" and not key)
            under = None if key in ("", "?") else key
            yield method, attrs.evolve(family, result_key=under, groups=method == _WITH_GROUPS, open=somewhere)


def _head(line: str) -> Family:
    kind, *words = line.split(" ", 7)
    id_key, cursor_id_key, conditions, order, sort, word = ("" if text == "-" else text for text in words[:6])
    own = "".join(words[6:])
    return Family(kind, id_key, cursor_id_key or id_key, conditions, order, sort, word, own)


def _checked(given: dict[str, str | None]) -> Iterator[tuple[str, JsonValue]]:
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, str) or not value or "]" in value or any(map(str.isspace, value)):
            raise UsageError(f"{name} is a name without spaces and brackets, not {shown(value)}")
        yield name, value

"""Families of list methods: where the rows of an answer lie, and what filter, order and id are called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import attrs

from b24batch.encoding import JsonValue, shown
from b24batch.errors import UsageError

Row: TypeAlias = dict[str, JsonValue]


@attrs.frozen
class Family:
    """How the list methods of a family spell what a cursor needs.

    Attributes:
        id_key: The id in a row.
        cursor_id_key: The id in a filter, an order and a select.
        result_key: Where the rows lie in the result; None when the result is the list itself.
        filter: The parameter of the filter.
        order: The parameter of the order.
        sort: The parameter of the field to sort by, where `order` holds the direction alone; empty elsewhere.
        groups: Whether a filter may hold a group of conditions with a logic of its own.
        known: Whether the method is in the table below.
    """

    id_key: str = "ID"
    cursor_id_key: str = "ID"
    result_key: str | None = None
    filter: str = "filter"
    order: str = "order"
    sort: str = ""
    groups: bool = False
    known: bool = True

    def ordered(self, direction: str) -> dict[str, JsonValue]:
        """Return the parameters that order by id, ``ASC`` or ``DESC``."""
        if self.sort:
            return {self.sort: self.cursor_id_key, self.order: direction}
        return {self.order: {self.cursor_id_key: direction}}

    @property
    def path(self) -> tuple[str, ...]:
        """The way from a result to its rows."""
        return () if self.result_key is None else (self.result_key,)

    def rows(self, method: str, result: JsonValue) -> list[Row]:
        """Return the rows in the result of `method`; raise `UsageError` when it has another shape."""
        rows = result
        if self.result_key is not None and result != []:  # PHP writes an empty object as a list
            rows = result.get(self.result_key) if isinstance(result, dict) else None
        if not isinstance(rows, list):
            raise UsageError(f"{method}: {_shape(result, self.result_key)}")
        for row in rows:
            if not isinstance(row, dict):
                raise UsageError(f"{method}: its rows are no objects but values like {shown(row)}")
            if row.get(self.id_key) is None:
                names = ", ".join(list(row)[:10])
                raise UsageError(f"{method}: a row without {self.id_key}, but with {names}: name the id with id_key=")
        return rows


def _shape(result: JsonValue, result_key: str | None) -> str:
    if isinstance(result, list):
        return f"the result is a list and has no {result_key}: leave result_key away"
    if not isinstance(result, dict):
        return f"the result is no list but {shown(result)}"
    lists = [name for name, value in result.items() if isinstance(value, list)]
    held = f"a list in {' and in '.join(lists)}" if lists else f"no list, only {', '.join(list(result)[:10])}"
    expected = "is no list" if result_key is None else f"has no list in {result_key}"
    return f"the result {expected}; it holds {held}: name where the rows are with result_key="


_CAPITALS = Family()
#: As in the documentation's samples of these methods.
_CAPITALS_NAMES = """
    crm.lead.list crm.deal.list crm.contact.list crm.company.list crm.quote.list crm.activity.list crm.requisite.list
    crm.status.list crm.lead.userfield.list crm.deal.userfield.list crm.contact.userfield.list
    crm.company.userfield.list crm.quote.userfield.list crm.invoice.userfield.list crm.requisite.userfield.list
    disk.storage.getchildren disk.folder.getchildren disk.storage.getlist
"""
#: Rows with a small ``id`` under this key, as in the same samples.
_SMALL = """
    crm.type.list=types crm.category.list=categories crm.item.productrow.list=productRows
    catalog.product.list=products catalog.product.offer.list=offers catalog.product.sku.list=units
    catalog.product.service.list=services catalog.price.list=prices catalog.store.list=stores
    catalog.document.list=documents catalog.document.element.list=documentElements
    sale.order.list=orders sale.basketitem.list=basketItems sale.payment.list=payments
    sale.shipment.list=shipments sale.property.list=properties userfieldconfig.list=fields
"""
_TABLE: dict[str, Family] = {
    **dict.fromkeys(_CAPITALS_NAMES.split(), _CAPITALS),
    **{name: Family("id", "id", key) for name, key in (entry.split("=") for entry in _SMALL.split())},
    "crm.item.list": Family("id", "id", "items", groups=True),
    "crm.stagehistory.list": Family("ID", "ID", "items"),
    "tasks.task.list": Family("id", "ID", "tasks"),
    "lists.element.get": Family(filter="FILTER", order="ELEMENT_ORDER"),
    "sonet_group.get": Family(filter="FILTER", order="ORDER"),
    **dict.fromkeys(["user.get", "user.search"], Family(filter="FILTER", sort="sort")),
    **dict.fromkeys(["entity.item.get", "entity.section.get"], Family(filter="FILTER", order="SORT")),
}
_UNKNOWN = Family(known=False)


def family_of(method: str, id_key: str | None, cursor_id_key: str | None, result_key: str | None) -> Family:
    """Return the family of `method`, with the keys that the caller gives in the place of its own."""
    family = _TABLE.get(method.casefold(), _UNKNOWN)
    if cursor_id_key is None and not family.known:
        cursor_id_key = id_key
    given = {"id_key": id_key, "cursor_id_key": cursor_id_key, "result_key": result_key}
    return attrs.evolve(family, **dict(_checked(given)))


def _checked(given: dict[str, str | None]) -> Iterator[tuple[str, JsonValue]]:
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, str) or not value or "]" in value or any(map(str.isspace, value)):
            raise UsageError(f"{name} is a name without spaces and brackets, not {shown(value)}")
        yield name, value

"""Rows of products: ``crm.deal.productrows.*`` and ``crm.item.productrow.*``, over one table."""

from __future__ import annotations

from typing import Literal

import attrs

from b24batch.sandbox.methods.arguments import read_array, read_integer, read_legacy, read_required
from b24batch.sandbox.methods.crm_fields import LEGACY_TYPES
from b24batch.sandbox.methods.crm_items import narrow
from b24batch.sandbox.methods.crm_store import CrmStore
from b24batch.sandbox.php.values import JSON, list_items, to_int, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store.entity_types import EntityType
from b24batch.sandbox.store.queries import CONTROLLER, Query
from b24batch.sandbox.store.rows import Row
from b24batch.sandbox.store.values import cast_values, to_printed, to_stored, to_stored_item

_KINDS = {
    "integer": "ID OWNER_ID PRODUCT_ID SORT MEASURE_CODE DISCOUNT_TYPE_ID",
    "double": "PRICE QUANTITY DISCOUNT_RATE DISCOUNT_SUM TAX_RATE",
    "char": "TAX_INCLUDED CUSTOMIZED",
    "string": "OWNER_TYPE PRODUCT_NAME MEASURE_NAME XML_ID",
}
_FIELDS = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_DEFAULTS: Row = {"QUANTITY": 1.0, "PRICE": 0.0, "TAX_INCLUDED": "N", "PRODUCT_ID": 0}

#: The documented short names of the types.
_OWNERS = {"L": 1, "D": 2, "C": 3, "CO": 4, "Q": 7, "SI": 31}


@attrs.define
class ProductRows:
    """All rows, of whatever owner."""

    store: CrmStore
    kind: EntityType = attrs.field(factory=lambda: EntityType(_FIELDS))

    def of(self, owner: tuple[str, int]) -> list[Row]:
        """Return the rows of one owner."""
        return [row for row in self.kind.table.rows.values() if (row["OWNER_TYPE"], row["OWNER_ID"]) == owner]

    def put(self, owner: tuple[str, int], rows: list[Row]) -> None:
        """Let an owner have these rows and no others."""
        for row in self.of(owner):
            self.kind.table.delete(row["ID"])
        for row in rows:
            self.kind.table.add({**_DEFAULTS, **row, "OWNER_TYPE": owner[0], "OWNER_ID": owner[1]})

    def get_legacy(self, letter: str, params: Params) -> JSON:
        """Return the rows of a deal or the like, all of them."""
        rows = self.of(self._find_legacy_owner(letter, params))
        return [{name: _print_value(kind, row.get(name)) for name, kind in _FIELDS.items()} for row in rows]

    def set_legacy(self, letter: str, params: Params) -> JSON:
        """Replace the rows of a deal or the like; an empty list removes all."""
        rows = read_legacy(params, "rows")
        if not isinstance(rows, (list, dict)):
            raise PortalError("", "The parameter 'rows' must be array.")
        found = [cast_values(to_mapping(row), self.kind.find_upper, to_stored) for _, row in list_items(rows)]
        self.put(self._find_legacy_owner(letter, params), found)
        return True

    def _find_legacy_owner(self, letter: str, params: Params) -> tuple[str, int]:
        row_id = to_int(params.get("ID", params.get("id")))
        if row_id not in self.store.entity(_OWNERS[letter]).table.rows:
            raise PortalError("", "Not found" if row_id > 0 else "The parameter 'id' is invalid or not defined.")
        return letter, row_id

    def add(self, params: Params) -> JSON:
        """Store one row."""
        fields = to_mapping(read_array(params, "fields"))
        self._check_owner(to_text(fields.get("ownerType")), to_int(fields.get("ownerId")))
        row_id = self.kind.table.add({**_DEFAULTS, **self._read_values(fields)})
        return {"productRow": self._show(self.kind.table.rows[row_id])}

    def get(self, params: Params) -> JSON:
        """Return one row."""
        return {"productRow": self._show(self._find_row(params))}

    def update(self, params: Params) -> JSON:
        """Change one row."""
        row = self._find_row(params)
        row.update(self._read_values(read_array(params, "fields")))
        return {"productRow": self._show(row)}

    def delete(self, params: Params) -> JSON:
        """Remove one row."""
        self.kind.table.delete(self._find_row(params)["ID"])
        return None

    def set(self, params: Params) -> JSON:
        """Replace the rows of an item; an empty list removes all."""
        owner = to_text(read_required(params, "ownerType")), read_integer(params, "ownerId")
        rows = [self._read_values(to_mapping(row)) for _, row in list_items(read_array(params, "productRows"))]
        self._check_owner(*owner)
        self.put(owner, rows)
        return {"productRows": [self._show(row) for row in self.of(owner)]}

    def list(self, params: Params) -> JSON:
        """Return a page of rows; their owner must be in the filter."""
        conditions = to_mapping(read_array(params, "filter", optional=True))
        if not {"=ownerType", "ownerType"} & conditions.keys() or not {"=ownerId", "ownerId"} & conditions.keys():
            raise PortalError("INVALID_ARG_VALUE", "Required filter fields: =ownerType, =ownerId")
        query = Query()
        narrow(query, self.kind, conditions)
        query.order_by(read_array(params, "order", optional=True), self.kind.find_camel)
        page = CONTROLLER.page(self.kind.table, query, params.start)
        return Page({"productRows": [self._show(row) for row in page.rows]}, page.next, page.total)

    def _find_row(self, params: Params) -> Row:
        row = self.kind.table.rows.get(read_integer(params, "id"))
        if row is None:
            raise PortalError("NOT_FOUND", "Element not found")
        return row

    def _check_owner(self, letter: str, row_id: int) -> None:
        type_id = _OWNERS.get(letter) or (int(letter[1:], 16) if letter[:1] == "T" and letter[1:] else 0)
        if row_id not in self.store.entity(type_id).table.rows:
            raise PortalError("OWNER_NOT_FOUND", "Owner was not found")

    def _read_values(self, fields: JSON) -> Row:
        return cast_values(fields, self.kind.find_camel, to_stored_item)

    def _show(self, row: Row) -> Row:
        return {self.kind.names[name][1]: row.get(name) for name in _FIELDS}


def _print_value(kind: str, value: JSON) -> JSON:
    """Prices are numbers even to the older methods."""
    return value if kind == "double" else to_printed(kind, value)


_LETTERS: dict[int, Literal["L", "D", "Q"]] = {1: "L", 2: "D", 7: "Q"}


def install(dispatcher: Dispatcher, store: CrmStore) -> None:
    """Register the methods."""
    rows = ProductRows(store)
    for suffix in ("add", "get", "update", "delete", "set", "list"):
        dispatcher.add(f"crm.item.productrow.{suffix}", getattr(rows, suffix))
    for name, type_id in LEGACY_TYPES.items():
        if type_id in _LETTERS:
            _install_legacy(dispatcher, rows, f"crm.{name}.productrows", _LETTERS[type_id])


def _install_legacy(dispatcher: Dispatcher, rows: ProductRows, prefix: str, letter: str) -> None:
    dispatcher.add(f"{prefix}.get", lambda params: rows.get_legacy(letter, params))
    dispatcher.add(f"{prefix}.set", lambda params: rows.set_legacy(letter, params))

"""``entity.item.*``: the items of data storages."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.methods.arguments import require, require_id, to_capitals
from b24batch.sandbox.methods.storages import Storage, Storages
from b24batch.sandbox.php.values import JSON, list_items
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.rest.time_blocks import to_iso
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.queries import LEGACY, Field, Query
from b24batch.sandbox.store.rows import Row
from b24batch.sandbox.store.values import cast_values, to_printed, to_stored

_KINDS = {
    "integer": "ID MODIFIED_BY CREATED_BY SORT SECTION",
    "datetime": "TIMESTAMP_X DATE_CREATE DATE_ACTIVE_FROM DATE_ACTIVE_TO",
    "string": "ACTIVE NAME PREVIEW_PICTURE PREVIEW_TEXT DETAIL_PICTURE DETAIL_TEXT CODE ENTITY",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}

#: The documented order of the fields in an answer.
_ORDER = (
    "ID TIMESTAMP_X MODIFIED_BY DATE_CREATE CREATED_BY ACTIVE DATE_ACTIVE_FROM DATE_ACTIVE_TO SORT NAME "
    "PREVIEW_PICTURE PREVIEW_TEXT DETAIL_PICTURE DETAIL_TEXT CODE ENTITY SECTION"
)
_NAMES = _ORDER.split()

#: Set by the portal alone.
_OWN = frozenset({"ID", "TIMESTAMP_X", "DATE_CREATE", "CREATED_BY", "MODIFIED_BY", "ENTITY"})

#: What a new item starts with.
_DEFAULTS: Row = {"ACTIVE": "Y", "SORT": 500, "DATE_ACTIVE_FROM": "", "DATE_ACTIVE_TO": ""}

_PROPERTY = "PROPERTY_"


@attrs.define
class StorageItemMethods:
    """The methods, over the items of all storages."""

    storages: Storages
    time: Callable[[], float]

    def add(self, params: Params) -> JSON:
        """Store an item and return its id."""
        arguments = to_capitals(params)
        storage = self.storages.of(arguments)
        require(arguments, "NAME")
        now = to_iso(self.time())
        stamps = {"DATE_CREATE": now, "TIMESTAMP_X": now, "CREATED_BY": 1, "MODIFIED_BY": 1}
        own = {**_DEFAULTS, **stamps, "ENTITY": storage.about["ENTITY"]}
        return storage.items.add({**own, **_read_values(storage, arguments)})

    def get(self, params: Params) -> JSON:
        """Return a page of items; filters on unknown fields are dropped."""
        arguments = to_capitals(params)
        storage, query = self.storages.of(arguments), Query()
        for name, value in list_items(arguments.get("FILTER")):
            prefix, plain = filters.split(str(name))
            field = _find_field(storage, plain)
            if field is not None:
                query.where(prefix, field, value)
        query.order_by(arguments.get("SORT"), lambda name: _find_field(storage, name))
        page = LEGACY.page(storage.items, query, params.start)
        return Page([_show(storage, row) for row in page.rows], page.next, page.total)

    def update(self, params: Params) -> JSON:
        """Change an item."""
        arguments = to_capitals(params)
        storage = self.storages.of(arguments)
        row = storage.items.rows.get(require_id(arguments))
        if row is None:
            raise _make_missing()
        row.update(_read_values(storage, arguments), TIMESTAMP_X=to_iso(self.time()))
        return True

    def delete(self, params: Params) -> JSON:
        """Remove an item; the second time fails."""
        arguments = to_capitals(params)
        if not self.storages.of(arguments).items.delete(require_id(arguments)):
            raise _make_missing()
        return True


def _make_missing() -> PortalError:
    return PortalError("ERROR_ITEM_NOT_FOUND", "Item not found")


def _find_field(storage: Storage, name: str) -> Field | None:
    if name in _KIND_OF:
        return name, _KIND_OF[name]
    about = storage.properties.get(name.removeprefix(_PROPERTY))
    if about is None or not name.startswith(_PROPERTY):
        return None
    return name, "double" if about["TYPE"] == "N" else "string"


def _read_values(storage: Storage, arguments: dict[str, JSON]) -> Row:
    """Properties are stored in the row next to the fields, under the names that filters use."""
    plain = {name: value for name, value in arguments.items() if name in _KIND_OF and name not in _OWN}
    values = cast_values(plain, lambda name: (name, _KIND_OF[name]), to_stored)
    given = list_items(arguments.get("PROPERTY_VALUES"))
    return values | {f"{_PROPERTY}{code}": value for code, value in given if code in storage.properties}


def _show(storage: Storage, row: Row) -> Row:
    shown = {name: to_printed(_KIND_OF[name], row.get(name)) for name in _NAMES}
    if storage.properties:
        values = {code: to_printed("user", row.get(f"{_PROPERTY}{code}")) for code in storage.properties}
        shown["PROPERTY_VALUES"] = values
    return shown


def install(dispatcher: Dispatcher, storages: Storages) -> None:
    """Register the methods."""
    methods = StorageItemMethods(storages, dispatcher.clock.time)
    for suffix in ("add", "get", "update", "delete"):
        dispatcher.add(f"entity.item.{suffix}", getattr(methods, suffix))

"""``crm.item.*``: any entity type, camel-case names, numbers as numbers."""

from __future__ import annotations

import attrs

from b24batch.sandbox.methods.arguments import read_array, read_integer
from b24batch.sandbox.methods.crm_legacy import describe
from b24batch.sandbox.methods.crm_store import CrmStore
from b24batch.sandbox.php.values import JSON, list_items, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.entity_types import EntityType
from b24batch.sandbox.store.queries import CONTROLLER, Field, Query
from b24batch.sandbox.store.rows import Row
from b24batch.sandbox.store.values import cast_values, to_stored_item

#: The documented size of one ``crm.item.batchImport``.
_MOST_IMPORTED = 20

#: How ``fm`` spells an entry, and how the row does.
_ENTRY = {"id": "ID", "typeId": "TYPE_ID", "valueType": "VALUE_TYPE", "value": "VALUE"}


@attrs.define
class ItemMethods:
    """The methods, over the store that ``crm.deal.*`` uses too."""

    store: CrmStore

    def add(self, params: Params) -> JSON:
        """Store an item and return it whole."""
        kind = self._find_kind(params)
        row_id = self.store.add(kind, _read_values(kind, read_array(params, "fields")))
        return {"item": _show(kind, kind.table.rows[row_id])}

    def import_one(self, params: Params) -> JSON:
        """Store an item without its automation, and return the id."""
        return self._import(self._find_kind(params), read_array(params, "fields"))

    def import_many(self, params: Params) -> JSON:
        """Store some items; an invalid one is an error in its position, and the answer is still a success."""
        kind, data = self._find_kind(params), to_mapping(read_array(params, "data"))
        if len(data) > _MOST_IMPORTED:
            raise PortalError(
                "MAX_IMPORT_BATCH_SIZE_EXCEEDED", f"At most {_MOST_IMPORTED} items can be imported at once"
            )
        items: dict[JSON, JSON] = {}
        for key, fields in data.items():
            try:
                items[key] = self._import(kind, fields)
            except PortalError as error:
                items[key] = error.envelope()
        return {"items": items}

    def _import(self, kind: EntityType, fields: JSON) -> JSON:
        if to_mapping(fields).get("title") == "":
            raise PortalError("CRM_FIELD_ERROR_REQUIRED", 'The field "Title" is required')
        return {"item": {"id": self.store.add(kind, _read_values(kind, fields))}}

    def get(self, params: Params) -> JSON:
        """Return one item."""
        kind = self._find_kind(params)
        return {"item": _show(kind, _find_row(kind, params))}

    def update(self, params: Params) -> JSON:
        """Change an item and return it whole."""
        kind = self._find_kind(params)
        row = _find_row(kind, params)
        self.store.update(kind, row, _read_values(kind, read_array(params, "fields")))
        return {"item": _show(kind, row)}

    def delete(self, params: Params) -> JSON:
        """Remove an item; the second time fails."""
        kind = self._find_kind(params)
        kind.table.delete(_find_row(kind, params)["ID"])
        return []

    def list(self, params: Params) -> JSON:
        """Return a page of items; a filter on an unknown field is an error."""
        kind, query = self._find_kind(params), Query()
        narrow(query, kind, read_array(params, "filter", optional=True))
        query.order_by(read_array(params, "order", optional=True), kind.find_camel)
        keys = _select(kind, read_array(params, "select", optional=True))
        page = CONTROLLER.page(kind.table, query, params.start)
        return Page({"items": [_name_values(kind, row, keys) for row in page.rows]}, page.next, page.total)

    def fields(self, params: Params) -> JSON:
        """Describe the fields of an entity type."""
        kind = self._find_kind(params)
        fields = kind.fields.items()
        return {"fields": {kind.names[key][1]: {**describe(key, of), "upperName": key} for key, of in fields}}

    def _find_kind(self, params: Params) -> EntityType:
        return self.store.entity(read_integer(params, "entityTypeId"))


def narrow(query: Query, kind: EntityType, conditions: JSON) -> None:
    """Add the conditions of a filter; groups of them may nest, with ``logic`` OR or AND.

    Raises:
        PortalError: ``INVALID_ARG_VALUE``: an unknown field, or an array where one value is wanted.

    """
    entries = to_mapping(conditions)
    if str(entries.pop("logic", "AND")).upper() == "OR":
        groups = [_make_group(kind, {name: value}) for name, value in entries.items()]
        query.tests.append(lambda row: any(group.matches(row) for group in groups))
        return
    for name, value in entries.items():
        if type(name) is int and isinstance(value, (list, dict)):
            query.tests.append(_make_group(kind, value).matches)
        else:
            prefix, plain = filters.split(str(name))
            query.where(prefix, _check(kind, prefix, plain, value), value)


def _make_group(kind: EntityType, conditions: JSON) -> Query:
    group = Query()
    narrow(group, kind, conditions)
    return group


def _check(kind: EntityType, prefix: str, name: str, value: JSON) -> Field:
    field = kind.find_camel(name)
    if field is None:
        raise PortalError("INVALID_ARG_VALUE", f"Invalid filter: field '{name}' is not allowed in filter")
    if isinstance(value, (list, dict)) and prefix not in filters.TAKES_ARRAY:
        raise PortalError("INVALID_ARG_VALUE", f"Invalid filter: field '{name}' does not take an array")
    return field


def _find_row(kind: EntityType, params: Params) -> Row:
    row = kind.table.rows.get(read_integer(params, "id"))
    if row is None:
        raise PortalError("NOT_FOUND", "Element not found")
    return row


def _read_values(kind: EntityType, fields: JSON) -> Row:
    given = to_mapping(fields)
    values = cast_values(given, kind.find_camel, to_stored_item)
    if "PHONE" not in kind.fields or "fm" not in given:
        return values
    return {**values, **cast_values(_read_multifields(given["fm"]), kind.find_upper, to_stored_item)}


def _read_multifields(entries: JSON) -> dict[str, list[Row]]:
    """Sort the entries of ``fm`` by their type."""
    sorted_in: dict[str, list[Row]] = {}
    for _, entry in list_items(entries):
        renamed = {_ENTRY.get(str(name), name): value for name, value in list_items(entry)}
        sorted_in.setdefault(to_text(renamed.get("TYPE_ID")), []).append(renamed)
    return sorted_in


def _select(kind: EntityType, select: JSON) -> list[str]:
    wanted = [str(name) for _, name in list_items(select)] or ["*"]
    everything = [key for key in kind.names if kind.fields.get(key) != "crm_multifield"]
    single = [field[0] for name in wanted if (field := kind.find_camel(name))]
    user = kind.user_fields() if "uf*" in wanted else []
    return list(dict.fromkeys(["ID", *single, *user])) if "*" not in wanted else everything


def _name_values(kind: EntityType, row: Row, keys: list[str]) -> Row:
    return {kind.names[key][1]: _print_item(kind.get_kind(key), row.get(key)) for key in keys}


def _print_item(of_kind: str, value: JSON) -> JSON:
    return value if of_kind != "boolean" or value is None else "NY"[value]


def _show(kind: EntityType, row: Row) -> Row:
    item = _name_values(kind, row, _select(kind, [])) | {"entityTypeId": kind.type_id}
    if "PHONE" not in kind.fields:
        return item
    multiple = [key for key, of_kind in kind.fields.items() if of_kind == "crm_multifield"]
    entries = [entry for key in multiple for entry in row.get(key, [])]
    return item | {"fm": [{name: entry.get(key) for name, key in _ENTRY.items()} for entry in entries]}


def install(dispatcher: Dispatcher, store: CrmStore) -> None:
    """Register the methods."""
    methods = ItemMethods(store)
    for suffix in ("add", "get", "update", "delete", "list", "fields"):
        dispatcher.add(f"crm.item.{suffix}", getattr(methods, suffix))
    dispatcher.add("crm.item.import", methods.import_one)
    dispatcher.add("crm.item.batchimport", methods.import_many)

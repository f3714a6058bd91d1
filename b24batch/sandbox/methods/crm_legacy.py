"""``crm.{lead,deal,contact,company}.*``: names in capitals, everything is text."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.methods import user_fields
from b24batch.sandbox.methods.arguments import read_legacy
from b24batch.sandbox.methods.crm_fields import LEGACY_TYPES
from b24batch.sandbox.methods.crm_store import CrmStore
from b24batch.sandbox.php.values import FALSY, JSON, list_items, to_int, to_mapping
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.entity_types import EntityType
from b24batch.sandbox.store.queries import LEGACY, Query
from b24batch.sandbox.store.rows import Row
from b24batch.sandbox.store.values import READ_ONLY, cast_values, to_printed, to_stored

_OF_AN_IMPORT = ("DATE_CREATE", "DATE_MODIFY", "CREATED_BY_ID", "MODIFY_BY_ID")


@attrs.define
class LegacyMethods:
    """The methods of one entity type."""

    store: CrmStore
    kind: EntityType

    def add(self, params: Params) -> JSON:
        """Store a row and return its id; an import may set what is otherwise the portal's own."""
        values = self._read_values(params)
        # Any value that PHP treats as true switches it on, even the letter N.
        if to_mapping(read_legacy(params, "params")).get("IMPORT") not in FALSY:
            fields = to_mapping(read_legacy(params, "fields"))
            imported = [name for name in _OF_AN_IMPORT if name in fields]
            values |= {name: to_stored(self.kind.fields[name], fields[name]) for name in imported}
        return self.store.add(self.kind, values)

    def get(self, params: Params) -> JSON:
        """Return one row with all its fields."""
        row = self._find_row(params)
        names = [key for key in row if self.kind.is_user_field(key)]
        return self._print_row(row, [*self.kind.fields, *names])

    def update(self, params: Params) -> JSON:
        """Change a row."""
        row = self._find_row(params)
        self.store.update(self.kind, row, self._read_values(params))
        return True

    def delete(self, params: Params) -> JSON:
        """Remove a row; the second time fails."""
        self.kind.table.delete(self._find_row(params)["ID"])
        return True

    def page(self, params: Params) -> JSON:
        """Return a page of rows; filters on unknown fields are ignored silently."""
        query = Query()
        for name, value in list_items(read_legacy(params, "filter")):
            prefix, plain = filters.split(str(name))
            field = self.kind.find_upper(plain)
            if field is not None:
                query.where(prefix, field, value)
        query.order_by(read_legacy(params, "order"), self.kind.find_upper)
        page = LEGACY.page(self.kind.table, query, params.start)
        keys = self._select(read_legacy(params, "select"))
        return Page([self._print_row(row, keys) for row in page.rows], page.next, page.total)

    def fields(self, params: Params) -> JSON:
        """Describe the fields."""
        del params
        return {name: describe(name, kind) for name, kind in self.kind.fields.items()}

    def _read_values(self, params: Params) -> Row:
        return cast_values(read_legacy(params, "fields"), self.kind.find_upper, to_stored)

    def _find_row(self, params: Params) -> Row:
        row_id = to_int(params.get("ID", params.get("id")))
        if row_id <= 0:
            raise PortalError("", "ID is not defined or invalid.")
        if row_id not in self.kind.table.rows:
            raise PortalError("", "Not found")
        return self.kind.table.rows[row_id]

    def _select(self, select: JSON) -> list[str]:
        plain = [name for name, kind in self.kind.fields.items() if kind != "crm_multifield"]
        groups = {"*": plain, "UF_*": self.kind.user_fields()}
        wanted = [str(name) for _, name in list_items(select)] or ["*"]
        single = {name: [field[0]] for name in wanted if (field := self.kind.find_upper(name))}
        keys = [key for name in wanted for key in (single | groups).get(name, [])]
        return list(dict.fromkeys(["ID", *keys]))

    def _print_row(self, row: Row, keys: list[str]) -> Row:
        names, kind_of = self.kind.names, self.kind.get_kind
        return {
            names[key][0]: to_printed(kind_of(key), row.get(key))
            for key in keys
            if key in row or kind_of(key) != "crm_multifield"
        }


def describe(name: str, kind: str) -> dict[str, JSON]:
    """Return the description of a field."""
    return {
        "type": kind,
        "isRequired": False,
        "isReadOnly": name in READ_ONLY,
        "isImmutable": False,
        "isMultiple": kind == "crm_multifield",
        "isDynamic": False,
        "title": name.replace("_", " ").capitalize(),
    }


def install(dispatcher: Dispatcher, store: CrmStore) -> None:
    """Register the methods of the entity types."""
    for name, type_id in LEGACY_TYPES.items():
        kind = store.entity(type_id)
        user_fields.install(dispatcher, f"crm.{name}", "UF_CRM_", kind.declare)
        methods = LegacyMethods(store, kind)
        table: dict[str, Callable[[Params], JSON]] = {
            "add": methods.add,
            "get": methods.get,
            "update": methods.update,
            "delete": methods.delete,
            "list": methods.page,
            "fields": methods.fields,
        }
        for suffix, handler in table.items():
            dispatcher.add(f"crm.{name}.{suffix}", handler)

"""``crm.duplicate.findbycomm``, ``crm.address.*`` and ``crm.category.*``."""

from __future__ import annotations

import re

import attrs

from b24batch.sandbox.methods.arguments import read_integer, read_legacy
from b24batch.sandbox.methods.crm_fields import LEGACY_TYPES
from b24batch.sandbox.methods.crm_store import CrmStore
from b24batch.sandbox.methods.records import About, Records
from b24batch.sandbox.methods.records import install as install_records
from b24batch.sandbox.methods.spellings import CONTROLLER, LEGACY
from b24batch.sandbox.php.values import JSON, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store.rows import Row

#: What is looked through for duplicates, and by which fields.
_SEARCHED = ("LEAD", "CONTACT", "COMPANY")
_COMMUNICATIONS = ("EMAIL", "PHONE")
_MOST_VALUES = 20

#: An address has no id: these three together name it.
_KEY = ("TYPE_ID", "ENTITY_TYPE_ID", "ENTITY_ID")


def find(store: CrmStore, params: Params) -> JSON:
    """Return the ids of rows with a phone or an address of mail, by type; nothing found is an empty list."""
    arguments = {str(name).lower(): value for name, value in params.items()}
    by = to_text(arguments.get("type")).upper()
    values = list(to_mapping(arguments.get("values")).values())[:_MOST_VALUES]
    if by not in _COMMUNICATIONS or not values:
        raise PortalError("", "Communication type is not defined" if values else "Values are not defined")
    wanted = {_to_comparable(by, value) for value in values}
    only = to_text(arguments.get("entity_type")).upper()
    found = {name: _find_having(store, name, by, wanted) for name in _SEARCHED if only in ("", name)}
    return {name: ids for name, ids in found.items() if ids}


def _find_having(store: CrmStore, name: str, by: str, wanted: set[str]) -> list[int]:
    rows = store.entity(LEGACY_TYPES[name.lower()]).table.rows
    return [
        row_id
        for row_id, row in rows.items()
        if any(_to_comparable(by, entry["VALUE"]) in wanted for entry in row.get(by) or [])
    ]


def _to_comparable(by: str, value: JSON) -> str:
    return re.sub(r"\D", "", to_text(value)) if by == "PHONE" else to_text(value).strip().lower()


@attrs.define
class Addresses(Records):
    """Addresses; ``total`` counts the rows of a page, as on a portal."""

    def put(self, params: Params) -> JSON:
        """Replace the stored address."""
        fields = self._read_fields(params)
        row = self._find(fields)
        if row is None:
            self.table.add(fields)
        else:
            row.update(fields)
        return True

    def remove(self, params: Params) -> JSON:
        """Remove an address."""
        row = self._find(self._read_fields(params))
        if row is None:
            raise PortalError("", "Address not found")
        return self.table.delete(row["ID"])

    def page(self, params: Params) -> JSON:
        """Return a page of addresses, which have no ids."""
        page = self.list(params)
        rows = [{name: value for name, value in row.items() if name != "ID"} for row in page.rows]
        return Page(rows, page.next, len(rows))

    def _read_fields(self, params: Params) -> Row:
        fields = self.values(read_legacy(params, "fields"))
        for name in _KEY:
            if not fields.get(name):
                raise PortalError("", f"{name} is not defined or invalid.")
        return fields

    def _find(self, fields: Row) -> Row | None:
        rows = self.table.rows.values()
        return next((row for row in rows if all(row[name] == fields[name] for name in _KEY)), None)


@attrs.define
class Categories(Records):
    """The funnels of one type; the default one has the id 0 and comes last."""

    def listed(self, params: Params) -> JSON:
        """Return all funnels of a type."""
        type_id = read_integer(params, "entityTypeId")
        rows = [self.show(row) for row in self.table.rows.values() if row["entityTypeId"] == type_id]
        default = {"id": 0, "name": "General", "sort": 300, "entityTypeId": type_id, "isDefault": "Y"}
        return Page({"categories": [*rows, default]}, None, len(rows) + 1)

    def made(self, params: Params) -> JSON:
        """Make a funnel."""
        type_id = read_integer(params, "entityTypeId")
        fields = {**to_mapping(params.get("fields")), "entityTypeId": type_id, "isDefault": "N"}
        return self.add(Params({"fields": fields}))


def install(dispatcher: Dispatcher, store: CrmStore) -> None:
    """Register the methods."""
    dispatcher.add("crm.duplicate.findbycomm", lambda params: find(store, params))
    about = About.read(LEGACY, f"start crm.address {' '.join(f'{name}#' for name in _KEY)}")
    addresses = Addresses(about, store.time)
    install_records(dispatcher, addresses, "add:put update:put delete:remove list:page")
    categories = Categories(About.read(CONTROLLER, "whole crm.category=categories/category entityTypeId#"), store.time)
    install_records(dispatcher, categories, "add:made get update delete list:listed")

"""The CRM's rows: one store for ``crm.deal.*`` and ``crm.item.*``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import attrs

from b24batch.sandbox.methods.crm_fields import COMPANY, CONTACT, DEAL, LEAD, QUOTE, entity
from b24batch.sandbox.php.values import to_text
from b24batch.sandbox.rest.time_blocks import to_iso
from b24batch.sandbox.store.entity_types import EntityType
from b24batch.sandbox.store.rows import Row
from b24batch.sandbox.store.values import Changes

#: What a new row starts with.
_DEFAULTS: dict[int, Row] = {
    LEAD: {"STATUS_ID": "NEW", "CURRENCY_ID": "USD"},
    QUOTE: {"STATUS_ID": "DRAFT", "CURRENCY_ID": "USD"},
    DEAL: {"STAGE_ID": "NEW", "CATEGORY_ID": 0, "CURRENCY_ID": "USD", "CLOSED": "N", "TYPE_ID": "SALE"},
    CONTACT: {"EXPORT": "N"},
    COMPANY: {"COMPANY_TYPE": "CUSTOMER"},
}
_DYNAMIC_DEFAULTS: Row = {"STAGE_ID": "NEW", "CATEGORY_ID": 0}

#: What the portal works out of other fields: whether there is a phone, and whether a stage is a good or bad end.
_REACHED = ("PHONE", "EMAIL", "IMOL")
_DERIVED = {f"HAS_{name}": name for name in _REACHED} | {
    f"{name}_SEMANTIC_ID": f"{name}_ID" for name in ("STAGE", "STATUS")
}
_SEMANTICS = {"WON": "S", "CONVERTED": "S", "APPROVED": "S", "LOSE": "F", "JUNK": "F", "APOLOGY": "F", "DECLAINED": "F"}

_OWN: Row = {"ASSIGNED_BY_ID": 1, "CREATED_BY_ID": 1, "MODIFY_BY_ID": 1, "OPENED": "N"}
_TITLES = {LEAD: "Lead", DEAL: "Deal", CONTACT: "Contact", COMPANY: "Company", QUOTE: "Quote"}


@attrs.define
class CrmStore:
    """Entities by type, made when they are first asked for."""

    time: Callable[[], float]
    _entities: dict[int, EntityType] = attrs.field(factory=dict, init=False)
    _multi_ids: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def entity(self, type_id: int) -> EntityType:
        """Return the entity of a type."""
        if type_id not in self._entities:
            self._entities[type_id] = entity(type_id)
        return self._entities[type_id]

    def add(self, kind: EntityType, values: Row) -> int:
        """Store a new row with the defaults of its type and return its id."""
        now = to_iso(self.time())
        defaults = {**_DEFAULTS.get(kind.type_id, _DYNAMIC_DEFAULTS), **_OWN}
        row = {**defaults, "DATE_CREATE": now, "DATE_MODIFY": now, **self._merge_multiple({}, values)}
        row_id = kind.table.add(row)
        stored = kind.table.rows[row_id]
        stored.setdefault("TITLE", f"{_TITLES.get(kind.type_id, 'Item')} #{row_id}")
        _derive(kind, stored)
        return row_id

    def update(self, kind: EntityType, row: Row, values: Row) -> None:
        """Change a row."""
        row.update(self._merge_multiple(row, values), DATE_MODIFY=to_iso(self.time()))
        _derive(kind, row)

    def _merge_multiple(self, row: Row, values: Row) -> Row:
        return {
            key: self._merge(key, row.get(key) or [], value) if isinstance(value, Changes) else value
            for key, value in values.items()
        }

    def _merge(self, type_id: str, old: list[Row], changes: list[Row]) -> list[Row]:
        """Entries with an id change or delete an old one, entries without are added."""
        kept = {entry["ID"]: entry for entry in old}
        for change in changes:
            entry_id = to_text(change.get("ID") or "") or str(next(self._multi_ids))
            if change.get("DELETE") == "Y":
                kept.pop(entry_id, None)
                continue
            before = {
                "ID": entry_id,
                "VALUE_TYPE": "WORK",
                "VALUE": "",
                "TYPE_ID": type_id,
                **kept.get(entry_id, {}),
            }
            changed = {name: to_text(change[name]) for name in ("VALUE_TYPE", "VALUE") if name in change}
            kept[entry_id] = before | changed
        return list(kept.values())


def _derive(kind: EntityType, row: Row) -> None:
    """Set the fields that follow from others."""
    for name, source in _DERIVED.items():
        if name in kind.fields:
            value = row.get(source)
            is_flag = source in _REACHED
            row[name] = "NY"[bool(value)] if is_flag else _SEMANTICS.get(to_text(value).rpartition(":")[2], "P")

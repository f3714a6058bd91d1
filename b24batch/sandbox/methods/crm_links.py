"""Which contacts and companies belong to what: ``crm.deal.contact.items.*`` and the like."""

from __future__ import annotations

from functools import partial

import attrs

from b24batch.sandbox.methods.arguments import read_legacy
from b24batch.sandbox.methods.crm_fields import LEGACY_TYPES
from b24batch.sandbox.methods.crm_store import CrmStore
from b24batch.sandbox.php.values import JSON, list_items, to_int
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.rows import Row

#: Owner and what is linked to it, by the names of their methods.
_PAIRS = ("lead.contact", "deal.contact", "quote.contact", "company.contact", "contact.company")


@attrs.define
class Links:
    """The links from rows of one type to rows of another, in order."""

    store: CrmStore
    owner: str
    other: str
    _links: dict[int, list[Row]] = attrs.field(factory=dict, init=False)

    def get(self, params: Params) -> JSON:
        """Return all links of a row."""
        return self._links.get(self._find_owner(params)["ID"], [])

    def set(self, params: Params) -> JSON:
        """Replace the links of a row; an empty list removes all."""
        items = read_legacy(params, "items")
        if not isinstance(items, (list, dict)):
            raise PortalError("", "The parameter 'items' must be array.")
        self._put(self._find_owner(params), [self._make_item(item) for _, item in list_items(items)])
        return True

    def clear(self, params: Params) -> JSON:
        """Remove all links of a row."""
        self._put(self._find_owner(params), [])
        return True

    def add(self, params: Params) -> JSON:
        """Link one more row; False when it is linked already."""
        owner, item = self._find_owner(params), self._make_item(read_legacy(params, "fields"))
        found = self._links.get(owner["ID"], [])
        if item[self._get_key] in [link[self._get_key] for link in found]:
            return False
        self._put(owner, [*found, item])
        return True

    def remove(self, params: Params) -> JSON:
        """Remove one link; return False if it does not exist."""
        owner, item = self._find_owner(params), self._make_item(read_legacy(params, "fields"))
        found = self._links.get(owner["ID"], [])
        kept = [link for link in found if link[self._get_key] != item[self._get_key]]
        self._put(owner, kept)
        return len(kept) < len(found)

    @property
    def _get_key(self) -> str:
        return f"{self.other.upper()}_ID"

    def _find_owner(self, params: Params) -> Row:
        row_id = to_int(params.get("ID", params.get("id")))
        rows = self.store.entity(LEGACY_TYPES[self.owner]).table.rows
        if row_id not in rows:
            raise PortalError("", "Not found" if row_id > 0 else "The parameter 'id' is invalid or not defined.")
        return rows[row_id]

    def _make_item(self, item: JSON) -> Row:
        given = dict(list_items(item))
        if to_int(given.get(self._get_key)) <= 0:
            raise PortalError("", f"The field '{self._get_key}' is invalid or not defined.")
        primary = "Y" if given.get("IS_PRIMARY") == "Y" else "N"
        return {self._get_key: to_int(given[self._get_key]), "SORT": to_int(given.get("SORT")), "IS_PRIMARY": primary}

    def _put(self, owner: Row, items: list[Row]) -> None:
        """Store links: one is the primary one, which the row's own field names too."""
        if items and all(item["IS_PRIMARY"] == "N" for item in items):
            items[0]["IS_PRIMARY"] = "Y"
        self._links[owner["ID"]] = [{**item, "SORT": item["SORT"] or 10 * (n + 1)} for n, item in enumerate(items)]
        if self._get_key in self.store.entity(LEGACY_TYPES[self.owner]).fields:
            owner[self._get_key] = next((item[self._get_key] for item in items if item["IS_PRIMARY"] == "Y"), None)


def install(dispatcher: Dispatcher, store: CrmStore) -> None:
    """Register the methods."""
    for pair in _PAIRS:
        links = Links(store, *pair.split("."))
        methods = {"items.get": links.get, "items.set": links.set, "items.delete": links.clear}
        for suffix, handler in {**methods, "add": links.add, "delete": links.remove}.items():
            dispatcher.add(f"crm.{pair}.{suffix}", handler)
        dispatcher.add(f"crm.{pair}.fields", partial(_describe_fields, links.other))


def _describe_fields(other: str, params: Params) -> JSON:
    del params
    about = {"isRequired": False, "isReadOnly": False, "isImmutable": False, "isMultiple": False, "isDynamic": False}
    kinds = {f"{other.upper()}_ID": "integer", "SORT": "integer", "IS_PRIMARY": "char"}
    return {name: {"type": kind, **about, "title": name} for name, kind in kinds.items()}

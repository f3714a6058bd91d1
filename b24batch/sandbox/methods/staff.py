"""Users and departments."""

from __future__ import annotations

import attrs

from b24batch.sandbox.methods import user_fields
from b24batch.sandbox.methods.arguments import to_capitals
from b24batch.sandbox.methods.records import About, Records
from b24batch.sandbox.methods.records import install as install_records
from b24batch.sandbox.methods.spellings import FLAT
from b24batch.sandbox.php.values import FALSY, JSON, list_items, to_int
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.queries import EXACT, Field, Query
from b24batch.sandbox.store.rows import Row, Table
from b24batch.sandbox.store.values import to_printed

_KINDS = {
    "ID": "integer",
    "ACTIVE": "flag",
    "EMAIL": "string",
    "NAME": "string",
    "LAST_NAME": "string",
    "WORK_POSITION": "string",
    "UF_DEPARTMENT": "list",
    "USER_TYPE": "string",
    "XML_ID": "string",
}

#: How many users there are at first; few enough for one page.
_USERS = 3

#: What the webhook and every token are good for.
SCOPE = (
    "biconnector bizproc booking calendar catalog crm department disk documentgenerator entity im lists placement rpa "
    "sale sign.b2e sonet_group task telephony user userfieldconfig"
).split()

_NEW_USER: Row = {"ACTIVE": True, "WORK_POSITION": "", "UF_DEPARTMENT": [1], "USER_TYPE": "employee"}

_DEPARTMENT = "start department ID+ NAME+ SORT#+=500 PARENT#+ UF_HEAD#+"


def users() -> Table:
    """Return the users that a new portal has."""
    table = Table()
    for number in range(1, _USERS + 1):
        name: Row = {"NAME": "Sandbox", "LAST_NAME": f"User {number}", "EMAIL": f"user{number}@example.com"}
        table.add({**_NEW_USER, **name})
    return table


@attrs.define
class UserMethods:
    """The methods of users; conditions on unknown fields are dropped."""

    table: Table
    kinds: dict[str, str] = attrs.field(factory=lambda: dict(_KINDS))

    def get(self, params: Params) -> JSON:
        """Return a page of users; a FILTER replaces all other conditions."""
        arguments, query = to_capitals(params), Query()
        for name, value in list_items(arguments.get("FILTER", arguments)):
            prefix, plain = filters.split(str(name).upper())
            field = self._find_field(plain)
            if field is not None:
                query.where(prefix, field, value)
        query.order_by({arguments.get("SORT"): arguments.get("ORDER", "ASC")}, self._find_field)
        page = EXACT.page(self.table, query, params.start)
        return Page([self.show(row) for row in page.rows], page.next, page.total) if page.rows else []

    def add(self, params: Params) -> JSON:
        """Store a user and return the id."""
        values = self._read_values(params)
        if not values.get("EMAIL"):
            raise PortalError("", "Wrong E-Mail")
        return self.table.add({**_NEW_USER, **values})

    def update(self, params: Params) -> JSON:
        """Change a user."""
        row = self.table.rows.get(to_int(to_capitals(params).get("ID")))
        if row is None:
            raise PortalError("", "access_denied")
        row.update(self._read_values(params))
        return True

    def fields(self, params: Params) -> JSON:
        """Name the fields."""
        del params
        return {name: name.replace("_", " ").capitalize() for name in self.kinds}

    def current(self, params: Params) -> JSON:
        """Return the user whom the webhook and all tokens belong to."""
        del params
        return self.show(self.table.rows[1])

    def profile(self, params: Params) -> JSON:
        """Return a little of the same user."""
        user = self.current(params)
        named = {name: user[name] for name in ("NAME", "LAST_NAME")}
        return {"ID": user["ID"], "ADMIN": True, **named, "PERSONAL_GENDER": "", "TIME_ZONE": ""}

    def show(self, row: Row) -> Row:
        """Return a user as the portal shows it."""
        return {name: to_printed(kind, row[name]) for name, kind in self.kinds.items() if name in row}

    def declare(self, name: str, kind: str) -> None:
        """Add a user field; a boolean one is saved by PHP truth, so N is saved as yes."""
        self.kinds[name] = {"boolean": "truth"}.get(kind, kind)

    def _find_field(self, name: str) -> Field | None:
        return (name, self.kinds[name]) if name in self.kinds else None

    def _read_values(self, params: Params) -> Row:
        values = {name: value for name, value in to_capitals(params).items() if name in self.kinds and name != "ID"}
        truths = {name: value not in FALSY for name, value in values.items() if self.kinds[name] == "truth"}
        active = {"ACTIVE": values["ACTIVE"] not in (*FALSY, "N")} if "ACTIVE" in values else {}
        return {**values, **truths, **active}


def _read_conditions(params: Params) -> JSON:
    """Departments are filtered by the params themselves, or by FILTER, which replaces all of them."""
    arguments = to_capitals(params)
    return to_capitals(Params(list_items(arguments.get("FILTER", arguments))))


def _read_order(params: Params) -> JSON:
    conditions = _read_conditions(params)
    return {conditions.get("SORT"): conditions.get("ORDER", "ASC")}


def _remove_sort(params: Params) -> JSON:
    """SORT among the conditions is an order, not a condition."""
    return {name: value for name, value in _read_conditions(params).items() if name != "SORT"}


_SPELLING = attrs.evolve(FLAT, order=_read_order, conditions=_remove_sort)


def departments(dispatcher: Dispatcher) -> Records:
    """Return the departments of a new portal."""
    records = Records(About.read(_SPELLING, _DEPARTMENT), dispatcher.clock.time)
    records.table.add({"NAME": "Sandbox", "SORT": 500, "UF_HEAD": 1})
    records.table.add({"NAME": "Sandbox Department", "SORT": 500, "PARENT": 1})
    return records


def install(dispatcher: Dispatcher, table: Table) -> None:
    """Register the methods."""
    methods = UserMethods(table)
    for name in ("get", "add", "update", "fields", "current"):
        dispatcher.add(f"user.{name}", getattr(methods, name))
    dispatcher.add("user.search", methods.get)
    dispatcher.add("user.admin", lambda _params: True)
    dispatcher.add("profile", methods.profile)
    user_fields.install(dispatcher, "user", "UF_USR_", methods.declare)
    install_records(dispatcher, departments(dispatcher), "get:list add update delete")
    fields = {name: name.capitalize() for name in ("ID", "NAME", "SORT", "PARENT", "UF_HEAD")}
    dispatcher.add("department.fields", lambda _params: fields)

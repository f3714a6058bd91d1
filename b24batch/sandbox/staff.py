"""Users and departments, and what the portal says of itself."""

from __future__ import annotations

import attrs

from b24batch.sandbox import filters
from b24batch.sandbox.answers import Page, PortalError
from b24batch.sandbox.arguments import in_capitals
from b24batch.sandbox.dispatcher import Dispatcher, Handler, Params
from b24batch.sandbox.field_values import printed
from b24batch.sandbox.php_values import JSON, items_of
from b24batch.sandbox.queries import EXACT, LEGACY, Family, Field, Query
from b24batch.sandbox.rows import Row, Table
from b24batch.sandbox.time_blocks import iso

_USER_KINDS = {
    "ID": "integer",
    "ACTIVE": "flag",
    "EMAIL": "string",
    "NAME": "string",
    "LAST_NAME": "string",
    "WORK_POSITION": "string",
    "UF_DEPARTMENT": "list",
    "USER_TYPE": "string",
}
_DEPARTMENT_KINDS = {
    "ID": "integer",
    "NAME": "string",
    "SORT": "integer",
    "PARENT": "integer",
    "UF_HEAD": "integer",
}

#: How many users there are at first; few enough for one page.
_USERS = 3

#: What the webhook and every token are good for.
SCOPE = ["crm", "department", "entity", "task", "user"]


_NEW_USER: Row = {"ACTIVE": True, "WORK_POSITION": "", "UF_DEPARTMENT": [1], "USER_TYPE": "employee"}


def _users() -> Table:
    table = Table()
    for number in range(1, _USERS + 1):
        name: Row = {"NAME": "Sandbox", "LAST_NAME": f"User {number}", "EMAIL": f"user{number}@example.com"}
        table.add({**_NEW_USER, **name})
    return table


def _departments() -> Table:
    table = Table()
    table.add({"NAME": "Sandbox", "SORT": 500, "UF_HEAD": 1})
    table.add({"NAME": "Sandbox Department", "SORT": 500, "PARENT": 1})
    return table


@attrs.define
class Listing:
    """A list method; unknown filters are dropped."""

    _table: Table
    _kinds: dict[str, str]
    _family: Family

    def page(self, conditions: JSON, order: JSON, start: int) -> Page:
        """Return one page of rows as the portal shows them."""
        query = Query()
        for name, value in items_of(conditions):
            prefix, plain = filters.split(str(name).upper())
            field = self._field(plain)
            if field is not None:
                query.where(prefix, field, value)
        query.order_by(order, self._field)
        page = self._family.page(self._table, query, start)
        return Page([self.shown(row) for row in page.rows], page.next, page.total)

    def shown(self, row: Row) -> Row:
        """Return a row as the portal shows it."""
        return {name: printed(kind, row[name]) for name, kind in self._kinds.items() if name in row}

    def _field(self, name: str) -> Field | None:
        return (name, self._kinds[name]) if name in self._kinds else None


_ABOUT = {"SCOPE": SCOPE, "LICENSE": "sandbox"}


def install(dispatcher: Dispatcher) -> None:
    """Register the methods."""
    users = Listing(table := _users(), _USER_KINDS, EXACT)
    departments = Listing(_departments(), _DEPARTMENT_KINDS, LEGACY)

    def user_get(params: Params) -> JSON:
        arguments = in_capitals(params)
        conditions = {**arguments, **dict(items_of(arguments.get("FILTER")))}
        page = users.page(conditions, {arguments.get("SORT"): arguments.get("ORDER", "ASC")}, params.start)
        return page if page.rows else []

    def department_get(params: Params) -> JSON:
        arguments = in_capitals(params)
        order = {arguments.get("SORT"): arguments.get("ORDER", "ASC")}
        conditions = {name: value for name, value in arguments.items() if name != "SORT"}
        return departments.page(conditions, order, params.start)

    myself = users.shown(table.rows[1])
    for name in ("user.get", "user.search"):
        dispatcher.add(name, user_get)
    dispatcher.add("user.add", lambda params: table.add(_new_user(params)))
    for name, value in (("user.current", myself), ("user.admin", True), ("app.info", _ABOUT)):
        dispatcher.add(name, _always(value))
    dispatcher.add("department.get", department_get)
    dispatcher.add("profile", lambda _params: {**_profile(myself), "PERSONAL_GENDER": "", "TIME_ZONE": ""})
    dispatcher.add("server.time", lambda _params: iso(dispatcher.clock.time()))
    dispatcher.add("methods", lambda _params: dispatcher.names())


def _always(value: JSON) -> Handler:
    return lambda _params: value


def _new_user(params: Params) -> Row:
    arguments = in_capitals(params)
    if not arguments.get("EMAIL"):
        raise PortalError("", "Wrong E-Mail")
    return {**_NEW_USER, **{name: arguments[name] for name in _USER_KINDS if name in arguments and name != "ID"}}


def _profile(user: Row) -> Row:
    return {"ID": user["ID"], "ADMIN": True, "NAME": user["NAME"], "LAST_NAME": user["LAST_NAME"]}

"""``calendar.event.*`` and ``calendar.section.*``: Y and N at the top; below, any value that is not empty means yes."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.methods.arguments import to_capitals
from b24batch.sandbox.php.values import FALSY, JSON, to_int, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.dates import to_datetime_text
from b24batch.sandbox.store.rows import Row, Table

_PLAIN = ("NAME", "DESCRIPTION", "LOCATION", "COLOR", "TEXT_COLOR", "IMPORTANCE", "ACCESSIBILITY", "SECTION", "RRULE")
_LETTERS = {"SKIP_TIME": "DT_SKIP_TIME", "PRIVATE_EVENT": "PRIVATE_EVENT", "IS_MEETING": "IS_MEETING"}
_DATES = {"FROM": "DATE_FROM", "TO": "DATE_TO"}
_MEETING = ("NOTIFY", "REINVITE", "ALLOW_INVITE", "HIDE_GUESTS")


def _read_event(arguments: dict[str, JSON]) -> Row:
    """Return what params store in an event."""
    values = {name: to_text(arguments[name]) for name in _PLAIN if name in arguments}
    letters = {stored: arguments[name] == "Y" for name, stored in _LETTERS.items() if name in arguments}
    dates = {stored: to_datetime_text(to_text(arguments[name])) for name, stored in _DATES.items() if name in arguments}
    return {**values, **letters, **dates, **_read_meeting(arguments.get("MEETING"))}


def _read_meeting(given: JSON) -> Row:
    if not isinstance(given, (list, dict)):
        return {}
    meeting = {str(name).upper(): value for name, value in to_mapping(given).items()}
    return {"MEETING": {name: meeting[name] not in FALSY for name in _MEETING if name in meeting}}


def _read_section(arguments: dict[str, JSON]) -> Row:
    """Return what params store in a calendar."""
    values = {name: to_text(arguments[name]) for name in _PLAIN if name in arguments}
    export = to_mapping(arguments.get("EXPORT"))
    return {**values, "EXPORT": {"ALLOW": export.get("ALLOW", export.get("allow")) not in FALSY}} if export else values


@attrs.define
class Entries:
    """The events, or the calendars, of all owners."""

    read: Callable[[dict[str, JSON]], Row]
    needed: tuple[str, ...]
    table: Table = attrs.field(factory=Table, init=False)

    def add(self, params: Params) -> JSON:
        """Store an entry and return its id."""
        arguments = to_capitals(params)
        for name in ("TYPE", *self.needed):
            if arguments.get(name) in FALSY:
                raise PortalError("", f'The required parameter "{name.lower()}" of the method is not set')
        owner = {"CAL_TYPE": to_text(arguments["TYPE"]), "OWNER_ID": to_int(arguments.get("OWNERID"))}
        return self.table.add({**owner, **self.read(arguments)})

    def update(self, params: Params) -> JSON:
        """Change an entry and return its id."""
        row = self._find_row(params)
        row.update(self.read(to_capitals(params)))
        return row["ID"]

    def delete(self, params: Params) -> JSON:
        """Remove an entry."""
        return self.table.delete(self._find_row(params)["ID"])

    def get_one(self, params: Params) -> JSON:
        """Return one entry."""
        return _show(self._find_row(params))

    def get(self, params: Params) -> JSON:
        """Return all entries of an owner, events from one moment to another; there are no pages."""
        arguments = to_capitals(params)
        owner = to_text(arguments.get("TYPE")), to_int(arguments.get("OWNERID"))
        begin, end = (to_datetime_text(to_text(arguments.get(name))) for name in ("FROM", "TO"))
        return [
            _show(row)
            for row in self.table.rows.values()
            if (row["CAL_TYPE"], row["OWNER_ID"]) == owner
            and (not begin or to_text(row.get("DATE_TO")) >= begin)
            and (not end or to_text(row.get("DATE_FROM")) <= end)
        ]

    def _find_row(self, params: Params) -> Row:
        row = self.table.rows.get(to_int(to_capitals(params).get("ID")))
        if row is None:
            raise PortalError("", "The event or calendar is not found")
        return row


def _show(row: Row) -> Row:
    """Return an entry as the portal does: only whether time counts is a letter."""
    shown = {**row, "ID": str(row["ID"]), "OWNER_ID": str(row["OWNER_ID"])}
    if "DATE_FROM" in row:
        shown["DT_SKIP_TIME"] = "Y" if row.get("DT_SKIP_TIME") else "N"
        shown["PRIVATE_EVENT"] = "1" if row.get("PRIVATE_EVENT") else ""
    return shown


def install(dispatcher: Dispatcher) -> None:
    """Register the methods."""
    kinds = {"event": Entries(_read_event, ("NAME", "FROM", "TO")), "section": Entries(_read_section, ("NAME",))}
    for name, entries in kinds.items():
        for suffix in ("add", "update", "delete", "get"):
            dispatcher.add(f"calendar.{name}.{suffix}", getattr(entries, suffix))
    dispatcher.add("calendar.event.getbyid", kinds["event"].get_one)

"""``event.offline.*``: the queue of events that an application fetches itself.

Source: Bitrix24's module ``rest``, ``lib/api/event.php`` and ``lib/eventoffline.php``.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence

import attrs

from b24batch.sandbox.methods.arguments import require
from b24batch.sandbox.php.values import JSON, to_int, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.rest.time_blocks import to_iso
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.queries import EXACT, PAGE_SIZE, Query
from b24batch.sandbox.store.rows import Row, Table

#: The fields that conditions and orders may name: those of `get`, and those of ``list`` alone.
_FIELDS = {"ID": "integer", "TIMESTAMP_X": "datetime", "EVENT_NAME": "any", "MESSAGE_ID": "any"}
_LISTED = {**_FIELDS, "PROCESS_ID": "any", "ERROR": "integer"}
_OPERATIONS = ("", "=", ">", "<", ">=", "<=", "@", "%")
_MESSAGE_ID_LENGTH = 32


@attrs.define
class OfflineEvents:
    """The queue. A row is free, or reserved by the process id of the answer that had it."""

    time: Callable[[], float]
    _table: Table = attrs.field(factory=Table, init=False)

    def put(self, name: str, data: JSON, user_id: int) -> None:
        """Queue an event; a free one with the same name and data only gets the new time."""
        message = hashlib.md5(f"{name}|{json.dumps(data)}".encode(), usedforsecurity=False).hexdigest()
        new = {"TIMESTAMP_X": to_iso(self.time()), "EVENT_NAME": name.upper(), "EVENT_DATA": data}
        row = {**new, "EVENT_ADDITIONAL": {"user_id": str(user_id)}, "MESSAGE_ID": message}
        same = [free for free in self._table.rows.values() if (free["MESSAGE_ID"], free["PROCESS_ID"]) == (message, "")]
        if same:
            same[0].update(row)
        else:
            self._table.add({**row, "PROCESS_ID": "", "ERROR": "0"})

    def get(self, params: Params) -> JSON:
        """Reserve free events, or return those of a process id; they are removed unless ``clear`` is 0."""
        arguments = _read(params)
        limit, clear = _read_integer(arguments, "limit", PAGE_SIZE), _read_integer(arguments, "clear", 1)
        if limit <= 0:
            raise PortalError("ERROR_ARGUMENT", "Value must be positive integer")
        again = to_text(arguments.get("process_id")).strip()
        process = again or uuid.uuid4().hex
        rows = self._find(arguments, again)[:limit]
        for row in rows:
            row["PROCESS_ID"] = process
            if clear:
                self._table.delete(row["ID"])
        shown = [_show(row, (*_FIELDS, "EVENT_DATA", "EVENT_ADDITIONAL")) for row in rows]
        return {"process_id": None if clear and not again else process, "events": shown}

    def _find(self, arguments: dict[str, JSON], process: str) -> Sequence[Row]:
        """Return the events with a process id, failed ones or the others."""
        query = _make_query(arguments, _FIELDS, {"TIMESTAMP_X": "ASC"})
        failed = str(int(_read_integer(arguments, "error", 0) == 1))
        query.tests.append(lambda row: (row["PROCESS_ID"], row["ERROR"]) == (process, failed))
        return [self._table.rows[row_id] for row_id in query.ids(self._table)]

    def clear(self, params: Params) -> JSON:
        """Remove the events of a process id, all or those that are named."""
        arguments = _read(params)
        process = require(arguments, "process_id")
        key = "MESSAGE_ID" if "message_id" in arguments else "ID"
        named: Sequence[JSON] | None = (_read_ids if key == "ID" else _read_message_ids)(arguments)
        for row in list(self._table.rows.values()):
            if row["PROCESS_ID"] == process and (named is None or row[key] in named):
                self._table.delete(row["ID"])
        return True

    def error(self, params: Params) -> JSON:
        """Free events of a process id, and mark them as failed; a free one with the same data is removed."""
        arguments = _read(params)
        process, named = require(arguments, "process_id"), _read_message_ids(arguments)
        for row in list(self._table.rows.values()):
            if row["MESSAGE_ID"] in named and row["ERROR"] == "0":
                if row["PROCESS_ID"] == process:
                    row.update(ERROR="1", PROCESS_ID="")
                else:
                    self._table.delete(row["ID"])
        return True

    def list(self, params: Params) -> JSON:
        """Return a page of the queue, free events and reserved ones, without a change."""
        query = _make_query(_read(params), _LISTED, {"ID": "ASC"})
        page = EXACT.page(self._table, query, params.start)
        shown = [_show(row, (*_LISTED, "EVENT_DATA", "EVENT_ADDITIONAL")) for row in page.rows]
        return Page(shown, page.next, page.total)

    def install(self, dispatcher: Dispatcher) -> None:
        """Register the methods."""
        for name in ("get", "clear", "error", "list"):
            dispatcher.add(f"event.offline.{name}", getattr(self, name))


def _read(params: Params) -> dict[str, JSON]:
    if params.by_webhook:
        message = "Current authorization type is denied for this method"
        raise PortalError("WRONG_AUTH_TYPE", message, http_status=403)
    return {str(name).lower(): value for name, value in params.items()}


def _read_integer(arguments: dict[str, JSON], name: str, default: int) -> int:
    return default if arguments.get(name) is None else to_int(arguments[name])


def _make_query(arguments: dict[str, JSON], fields: dict[str, str], order: JSON) -> Query:
    query = Query()
    for condition, value in to_mapping(arguments.get("filter")).items():
        prefix, name = filters.split(str(condition))
        for what, known in ((("field", name), fields), (("operation", prefix), _OPERATIONS)):
            if what[1] not in known:
                raise PortalError("ERROR_ARGUMENT", f"Filter {what[0]} not allowed: {what[1]}")
        query.where(prefix, (name, fields[name]), value)
    query.order_by(arguments.get("order") or order, lambda name: (name, fields[name]) if name in fields else None)
    return query


def _read_ids(arguments: dict[str, JSON]) -> list[int] | None:
    if "id" not in arguments:
        return None
    ids = [to_int(value) for value in to_mapping(arguments["id"]).values()]
    if not isinstance(arguments["id"], (list, dict)) or any(row_id <= 0 for row_id in ids):
        raise PortalError("ERROR_ARGUMENT", "Value must be array of integers")
    return ids


def _read_message_ids(arguments: dict[str, JSON]) -> list[str]:
    texts = [to_text(value).strip() for value in to_mapping(arguments.get("message_id")).values()]
    wrong = any(len(text) != _MESSAGE_ID_LENGTH for text in texts)
    if wrong or not isinstance(arguments.get("message_id"), (list, dict)):
        raise PortalError("ERROR_ARGUMENT", "Value must be array of MESSAGE_ID values")
    return texts


def _show(row: Row, names: tuple[str, ...]) -> Row:
    return {name: str(row[name]) if name == "ID" else row[name] for name in names}

"""``tasks.task.*``: capitals in, camel case out."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.methods.arguments import read_array, read_required
from b24batch.sandbox.php.values import JSON, list_items, to_int, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.rest.time_blocks import to_iso
from b24batch.sandbox.server.answers import Page, PortalError
from b24batch.sandbox.store import filters
from b24batch.sandbox.store.entity_types import EntityType
from b24batch.sandbox.store.queries import CONTROLLER, Query
from b24batch.sandbox.store.rows import Row, Table
from b24batch.sandbox.store.values import cast_values, to_printed, to_stored

_KINDS = {
    "integer": "ID RESPONSIBLE_ID CREATED_BY CHANGED_BY GROUP_ID PARENT_ID STATUS PRIORITY STAGE_ID",
    "string": "TITLE DESCRIPTION MARK XML_ID",
    "datetime": "DEADLINE START_DATE_PLAN END_DATE_PLAN CREATED_DATE CHANGED_DATE CLOSED_DATE",
    "user": "ACCOMPLICES AUDITORS TAGS",
}
_FIELDS = {name: kind for kind, names in _KINDS.items() for name in names.split()}

#: What a new task starts with; status 2 is "waiting", priority 1 "average".
_DEFAULTS: Row = {
    "RESPONSIBLE_ID": 1,
    "CREATED_BY": 1,
    "CHANGED_BY": 1,
    "GROUP_ID": 0,
    "STATUS": 2,
    "PRIORITY": 1,
}

#: The documented code for a task that is not there or may not be touched.
_NO_ACCESS = "1048582"


@attrs.define
class TaskMethods:
    """The methods, over tasks of their own."""

    time: Callable[[], float]
    tasks: EntityType = attrs.field(factory=lambda: EntityType(_FIELDS))

    def add(self, params: Params) -> JSON:
        """Store a task and return it whole."""
        values = cast_values(read_array(params, "fields"), self.tasks.find_upper, to_stored)
        if not values.get("TITLE"):
            raise PortalError("0", "A task needs a title")
        now = to_iso(self.time())
        row_id = self.tasks.table.add({**_DEFAULTS, "CREATED_DATE": now, "CHANGED_DATE": now, **values})
        return {"task": self._show(self.tasks.table.rows[row_id], [])}

    def get(self, params: Params) -> JSON:
        """Return one task; a task that does not exist is an empty answer, not an error."""
        row = self.tasks.table.rows.get(_read_id(params))
        return [] if row is None else {"task": self._show(row, read_array(params, "select", optional=True))}

    def update(self, params: Params) -> JSON:
        """Change a task and return it whole."""
        row = self._find_row(params)
        values = cast_values(read_array(params, "fields"), self.tasks.find_upper, to_stored)
        row.update(values, CHANGED_DATE=to_iso(self.time()))
        return {"task": self._show(row, [])}

    def delete(self, params: Params) -> JSON:
        """Remove a task; the second time fails."""
        return {"task": self.tasks.table.delete(self._find_row(params)["ID"])}

    def list(self, params: Params) -> JSON:
        """Return a page of tasks; filters on unknown fields are dropped."""
        query = Query()
        for name, value in list_items(read_array(params, "filter", optional=True)):
            prefix, plain = filters.split(str(name))
            field = self.tasks.find_upper(plain)
            if field is not None:
                query.where(prefix, field, value)
        query.order_by(read_array(params, "order", optional=True), self.tasks.find_upper)
        select = read_array(params, "select", optional=True)
        page = CONTROLLER.page(self.tasks.table, query, params.start)
        return Page({"tasks": [self._show(row, select) for row in page.rows]}, page.next, page.total)

    def _find_row(self, params: Params) -> Row:
        row = self.tasks.table.rows.get(_read_id(params))
        if row is None:
            raise PortalError(_NO_ACCESS, "Task not found or access denied")
        return row

    def _show(self, row: Row, select: JSON) -> Row:
        wanted = [to_text(name) for _, name in list_items(select)] or ["*"]
        single = [field[0] for name in wanted if (field := self.tasks.find_upper(name))]
        user = self.tasks.user_fields() if "UF_*" in wanted else []
        keys = [*self.tasks.fields, *single, *user] if "*" in wanted else ["ID", *single, *user]
        return {self.tasks.names[key][1]: to_printed(self.tasks.get_kind(key), row.get(key)) for key in keys}


def _read_id(params: Params) -> int:
    """Return the id of a task: ``id`` goes before ``taskId``."""
    name = "taskId" if params.get("id") is None else "id"
    task_id = to_int(read_required(params, name))
    if task_id <= 0:
        raise PortalError("0", "wrong task id")
    return task_id


def install(dispatcher: Dispatcher) -> Table:
    """Register the methods, and return the table of tasks."""
    methods = TaskMethods(dispatcher.clock.time)
    for suffix in ("add", "get", "update", "delete", "list"):
        dispatcher.add(f"tasks.task.{suffix}", getattr(methods, suffix))
    return methods.tasks.table

"""``task.checklistitem.*``, ``task.commentitem.*``, ``task.elapseditem.*``: arguments by order, not by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

import attrs

from b24batch.sandbox.methods.pagings import find_rows
from b24batch.sandbox.methods.records import About, Records
from b24batch.sandbox.methods.spellings import LEGACY
from b24batch.sandbox.php.values import JSON, to_int, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.queries import Query
from b24batch.sandbox.store.rows import Row, Table

#: What tells the three kinds apart: their fields, and which one must be given.
_KINDS = {
    "checklistitem": ("TITLE", "IS_COMPLETE?=N IS_IMPORTANT?=N SORT_INDEX#=0 CREATED_BY#=1"),
    "commentitem": ("POST_MESSAGE", "AUTHOR_ID#=1 POST_DATE~=now"),
    "elapseditem": ("SECONDS", "SECONDS# USER_ID#=1 CREATED_DATE~=now COMMENT_TEXT="),
}


_Handler = Callable[..., JSON]


@attrs.define
class TaskItems:
    """The items of one kind, of all tasks."""

    name: str
    tasks: Table
    records: Records

    def add(self, task_id: JSON, fields: JSON) -> JSON:
        """Store an item and return its id."""
        values = self.records.values(_to_array(fields))
        required = _KINDS[self.name][0]
        if not values.get(required):
            raise _make_refusal(f"{required} is missing")
        self._find_task(task_id)
        return self.records.add(Params(fields={**to_mapping(fields), "TASK_ID": to_int(task_id)}))

    def get(self, task_id: JSON, item_id: JSON) -> JSON:
        """Return one item."""
        return self.records.show(self._find_item(task_id, item_id))

    def update(self, task_id: JSON, item_id: JSON, fields: JSON) -> JSON:
        """Change one item."""
        self._find_item(task_id, item_id).update(self.records.values(_to_array(fields)))
        return True

    def delete(self, task_id: JSON, item_id: JSON) -> JSON:
        """Remove one item."""
        return self.records.table.delete(self._find_item(task_id, item_id)["ID"])

    def complete(self, task_id: JSON, item_id: JSON) -> JSON:
        """Tick an item of a list off."""
        return self.update(task_id, item_id, {"IS_COMPLETE": "Y"})

    def renew(self, task_id: JSON, item_id: JSON) -> JSON:
        """Take the tick back."""
        return self.update(task_id, item_id, {"IS_COMPLETE": "N"})

    def list_by_order(self, task_id: JSON, order: JSON = ()) -> JSON:
        """Return all items of a task; there is no filter."""
        return self._find(task_id, order, ())

    def list_by_filter(self, task_id: JSON, order: JSON = (), conditions: JSON = ()) -> JSON:
        """Return all items of a task that pass a filter."""
        return self._find(task_id, order, conditions)

    def list_of_any(self, *arguments: JSON) -> JSON:
        """Return items of one task, or of all where the first argument is an order; pages only if asked for."""
        of_one = bool(arguments) and not isinstance(arguments[0], (list, dict))
        rest = arguments[1:] if of_one else arguments
        order, conditions, _, params = [*rest, (), (), (), ()][:4]
        found = self._find(arguments[0] if of_one else None, order, conditions)
        pages = to_mapping(to_mapping(params).get("NAV_PARAMS"))
        size = to_int(pages.get("nPageSize")) or len(found)
        begin = size * (max(to_int(pages.get("iNumPage")), 1) - 1)
        return found[begin : begin + size]

    def _find(self, task_id: JSON, order: JSON, conditions: JSON) -> list[Row]:
        query = Query()
        if task_id is not None:
            query.where("=", ("TASK_ID", "integer"), self._find_task(task_id))
        for name, value in to_mapping(_to_array(conditions)).items():
            self.records.narrow(query, str(name), value)
        query.order_by(_to_array(order), self.records.about.field)
        return [self.records.show(row) for row in find_rows(self.records.table, query)]

    def _find_task(self, task_id: JSON) -> int:
        if isinstance(task_id, (list, dict)) or to_int(task_id) not in self.tasks.rows:
            raise _make_refusal("the task is not found")
        return to_int(task_id)

    def _find_item(self, task_id: JSON, item_id: JSON) -> Row:
        row = self.records.table.rows.get(to_int(item_id))
        if row is None or row["TASK_ID"] != self._find_task(task_id):
            raise _make_refusal("the item is not found")
        return row


def _make_refusal(text: str) -> PortalError:
    return PortalError("ERROR_CORE", f"TASKS_ERROR_EXCEPTION_#8; {text}; 8/TE/ACTION_FAILED_TO_BE_PROCESSED<br>")


def _make_wrong(name: str) -> PortalError:
    text = f"TASKS_ERROR_EXCEPTION_#256; The arguments of {name} are not of the expected number or type"
    return PortalError("ERROR_CORE", f"{text}; 256/TE/WRONG_ARGUMENTS<br>")


class _Mismatch(Exception):
    """An argument is not an array."""


def _to_array(value: JSON) -> JSON:
    if not isinstance(value, (list, dict, tuple)):
        raise _Mismatch
    return value if value else {}


def _call(method: str, handler: _Handler, params: Params) -> JSON:
    """Call with the values of the params in order; a text that contains the method's name is skipped."""
    arguments = [value for value in params.values() if method not in to_text(value).lower()]
    try:
        bound = inspect.signature(handler).bind(*arguments)
    except TypeError:
        raise _make_wrong(method) from None
    try:
        return handler(*bound.args)
    except _Mismatch:
        raise _make_wrong(method) from None


def install(dispatcher: Dispatcher, tasks: Table) -> None:
    """Register the methods."""
    for name, (_, fields) in _KINDS.items():
        about = About.read(LEGACY, f"all task.{name} {fields}")
        items = TaskItems(name, tasks, Records(about, dispatcher.clock.time))
        lists = {"checklistitem": "list_by_order", "commentitem": "list_by_filter", "elapseditem": "list_of_any"}
        ticks = "complete renew" if name == "checklistitem" else ""
        for suffix in f"add get update delete getlist {ticks}".split():
            method, does = f"task.{name}.{suffix}", lists[name] if suffix == "getlist" else suffix
            dispatcher.add(method, partial(_call, method, getattr(items, does)))

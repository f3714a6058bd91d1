"""Cursor paging: each page begins after the last id of the previous one."""

from __future__ import annotations

from itertools import pairwise
from operator import gt, lt

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand, encode_direct
from b24batch.calls.references import Ref
from b24batch.errors import CursorStalled, UnexpectedAnswer, UsageError
from b24batch.lists.conditions import copy_named, gather_conditions, normalize_filter, pop_param, refuse, select_id
from b24batch.lists.families import Family, Row
from b24batch.lists.page_commands import PAGE_SIZE, encode_alone, encode_for_batch, name_page
from b24batch.redaction import shown
from b24batch.results import AjaxResult

#: With this `start` the portal does not count the rows, which takes longer than finding them.
_UNCOUNTED = -1
#: After more hidden rows in a row the list is given up: the portal announces more rows forever.
_MOST_BEHIND = 100_000
#: No documented method has smaller pages. If fewer rows came and the next page is empty, these were all.
_SMALLEST_PAGE = 10
_OTHER_WAYS = "use paging='start', or paging='whole' if all rows come in one answer"
_ORDER = (
    "pages follow the ids, and each begins after the last id of the previous one; descending=True returns the newest"
    " rows first, paging='start' keeps your own order or start, and sorted(rows, key=...) sorts the rows afterwards"
)


@attrs.define(eq=False)
class ByCursor:
    """Pages in the order of ids, each beginning after the last id of the previous one.

    Within one request, a page refers to the 50th row of the previous page. If there is no such row, the portal reads
    the first page again, or refuses the filter: the pages after a short one are invalid.

    Attributes:
        command: The list method, with the caller's params.
        family: The names of the parameters and ids that a cursor needs.
        descending: Whether the newest row comes first.
        ended: Whether the list has no more pages.
        unbroken: Whether the last page was full.
    """

    command: Command
    family: Family
    descending: bool
    ended: bool = attrs.field(default=False, init=False)
    unbroken: bool = attrs.field(default=False, init=False)
    _params: dict[str, JsonValue] = attrs.field(init=False)
    _filter: dict[str, JsonValue] = attrs.field(init=False)
    _last_id: JsonValue = attrs.field(default=None, init=False)
    _start: int = attrs.field(default=_UNCOUNTED, init=False)
    _count: int = attrs.field(default=0, init=False)
    _chain: list[EncodedCommand] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        method, given = self.command.method, copy_named(self.command.method, self.command.params)
        self.family = family = self.family.with_cursor(given)
        if not family.id_key:
            way = "whole" if family.kind == "whole" else "start"
            raise UsageError(f"{method}: its rows have no id of their own; use paging='{way}'")
        params = gather_conditions(method, given, family.filter)
        refuse(method, params, ["start", family.order, *filter(None, [family.sort])], _ORDER)
        self._filter = normalize_filter(method, pop_param(method, params, family.filter), groups=family.groups)
        select_id(method, params, family.cursor_id_key)
        self._params = {**params, **family.order_by_id("DESC" if self.descending else "ASC")}
        encode_direct(self._make_page(None))

    def ask(self, pages: int) -> list[EncodedCommand]:
        """Return the commands for up to `pages` of the next pages; each but the first refers to the previous one."""
        first = self._make_page(self._last_id)
        if pages == 1:
            return [encode_alone(first)]
        try:
            self._extend_chain(pages - 1)
            return [encode_for_batch(name_page(0), first), *self._chain[: pages - 1]]
        except UsageError:
            return [encode_alone(first)]

    def _extend_chain(self, chain: int) -> None:
        """Encode up to `chain` pages that refer to the previous one; they are the same in each request."""
        path: tuple[str | int, ...] = (*self.family.path, PAGE_SIZE - 1, self.family.id_key)
        for place in range(len(self._chain), chain):
            self._chain.append(encode_for_batch(name_page(place + 1), self._make_page(Ref(name_page(place), path))))

    def take(self, outcome: AjaxResult) -> list[Row]:
        """Return the rows of the next page, and move the cursor past them.

        Raises:
            CursorStalled: The ids are not in order.
            UnexpectedAnswer: The answer has an unexpected shape, or an id is not a number.
        """
        found = self.family.shape.find(self.command.method, outcome.data)
        rows = found.rows if self._start == _UNCOUNTED else self._skip_last(found.rows)
        ids = self._get_ids(rows)
        places = self._to_numbers(ids if self._last_id is None else [self._last_id, *ids])
        if not all(map(gt if self.descending else lt, places, places[1:])):
            raise self._stall_error(places)
        if found.key != self.family.result_key:
            self.family = attrs.evolve(self.family, result_key=found.key)
        self.unbroken = found.listed and len(ids) == PAGE_SIZE
        if ids:
            self._last_id, self._start, self._count = ids[-1], _UNCOUNTED, self._count + len(ids)
            self.ended = self._is_last(len(ids), outcome)
        else:
            self._skip_hidden(outcome)
        return rows

    def _skip_last(self, rows: list[JsonValue]) -> list[JsonValue]:
        """Return the rows of a counted page after the last id; the page begins with the row of that id.

        Raises:
            CursorStalled: It does not, so the filter does not work.
        """
        places = self._to_numbers(self._get_ids(rows))
        if self._start > 0 or self._last_id is None:
            return rows
        if int(self._last_id) not in places:
            if self._count < _SMALLEST_PAGE:
                return rows
            reason = f"the filter {self._make_cursor(self._last_id)} does not return row {self._last_id}, which exists"
            raise CursorStalled(f"{self.command.method}: {reason}; {_OTHER_WAYS}")
        return rows[places.index(int(self._last_id)) + 1 :]

    @property
    def _is_settled(self) -> bool:
        """Whether the method is known to fill its pages, and to have a filter that works with this id."""
        return self.family.kind == "cursor" and not self.family.word and not self.family.named

    def _is_last(self, rows: int, outcome: AjaxResult) -> bool:
        """Return whether a page with rows is the last: short, although pages are filled, and no more are announced."""
        return self._is_settled and rows < PAGE_SIZE and not outcome.next and (outcome.total or 0) <= rows

    def _skip_hidden(self, outcome: AjaxResult) -> None:
        """Continue after an empty page if the portal counts more rows: permissions may have removed all rows from it.

        If it is not known whether the filter works, the last row is requested again, and the rows after it are counted.
        """
        here = max(self._start, 0)
        behind = here + PAGE_SIZE
        if behind > _MOST_BEHIND:
            raise CursorStalled(f"{self.command.method}: got {behind // PAGE_SIZE} empty pages in a row")
        if (outcome.next or 0) > here:
            self._start = min(behind, outcome.next or 0)
        elif (outcome.total or 0) > behind:
            self._start = behind
        elif self._start == _UNCOUNTED and not self._is_settled:
            self._start = 0
        else:
            self.ended = True

    def _make_page(self, behind: JsonValue) -> Command:
        cursor = {} if behind is None else self._make_cursor(behind)
        conditions = {**self._filter, **cursor}
        own = {self.family.filter: conditions} if conditions else {}
        return Command(self.command.method, {**self._params, "start": self._start, **own})

    def _make_cursor(self, behind: JsonValue) -> dict[str, JsonValue]:
        """Return the condition for the rows after an id; a counted page begins with the row of that id itself."""
        if self._start != _UNCOUNTED:
            behind = int(behind) + (1 if self.descending else -1)
        return {f"{'<' if self.descending else '>'}{self.family.cursor_id_key}": behind}

    def _stall_error(self, places: list[int]) -> CursorStalled:
        ahead = gt if self.descending else lt
        there, here = next(pair for pair in pairwise(places) if not ahead(*pair))
        reason = f"{self.command.method}: id {here} came after id {there}: the portal ignores the order"
        key = f"the filter by {self.family.cursor_id_key} (cursor_id_key)"
        return CursorStalled(f"{reason}, or {key}; if it does not support one, {_OTHER_WAYS}")

    def _get_ids(self, rows: list[JsonValue]) -> list[JsonValue]:
        """Return the ids of `rows`; raise `UnexpectedAnswer` for a row without one."""
        key = self.family.id_key
        for row in rows:
            if not isinstance(row, dict):
                raise self._answer_error(f"expected rows that are objects, got {shown(row)}", rows)
            if row.get(key) is None:
                names = ", ".join(list(row)[:10])
                raise self._answer_error(
                    f"a row has no {key}, only {names}: give the name of the id with id_key=", rows
                )
        return [row[key] for row in rows]

    def _to_numbers(self, ids: list[JsonValue]) -> list[int]:
        numbers: list[int] = []
        try:
            numbers.extend(map(int, ids))
            return numbers
        except (TypeError, ValueError, OverflowError):  # 1e999 is JSON, and infinite
            bad = shown(ids[len(numbers)])
        reason = f"a cursor needs ids that are numbers, got {bad}"
        raise self._answer_error(f"{reason}: give another id with id_key=, or use paging='start'", ids)

    def _answer_error(self, reason: str, data: JsonValue) -> UnexpectedAnswer:
        return UnexpectedAnswer(f"{self.command.method}: {reason}", data=data)

"""The pages of a list: the commands that ask for the next ones, and what an answered one says of the place reached."""

from __future__ import annotations

from itertools import pairwise
from operator import gt, lt

import attrs

from b24batch.commands import Command
from b24batch.conditions import joinable, named, refuse, taken, with_id
from b24batch.encoded import EncodedCommand, encode_direct, refuse_vendor
from b24batch.encoding import JsonValue, Unfit, shown, wire_params
from b24batch.errors import CursorStalled, UsageError
from b24batch.families import Family, Row
from b24batch.query import Query, has_empty
from b24batch.references import Ref
from b24batch.results import AjaxResult

#: Portal-imposed and fixed: the rows of a page.
PAGE_SIZE = 50
#: With this for a start the portal does not count the rows, which takes it longer than finding them.
_UNCOUNTED = -1


@attrs.define(eq=False)
class ByCursor:
    """Pages in the order of their ids, each beginning behind the last id of the one before.

    In one request a page knows where it begins by a reference to the 50th row of the page before. If that is
    missing, the portal reads the first page again, or refuses the filter: what follows a short page is void.

    Attributes:
        command: What is called, with the caller's own params.
        family: How the method spells what a cursor needs.
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
    _chain: list[EncodedCommand] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        params = named(self.command.method, self.command.params)
        method, family = self.command.method, self.family
        why = "pages follow the ids, and each begins behind the last id of the one before"
        refuse(method, params, ["start", family.order, *filter(None, [family.sort])], why)
        self._filter = joinable(method, taken(method, params, family.filter), groups=family.groups)
        select = taken(method, params, "select")
        if select is not None:
            params["select"] = with_id(select, family.cursor_id_key)
        ordered = family.ordered("DESC" if self.descending else "ASC")
        self._params = {**params, **ordered, "start": _UNCOUNTED}
        encode_direct(self._page(None))

    def ask(self, pages: int) -> list[EncodedCommand]:
        """Return the commands for up to so many of the next pages, each but the first referring to the one before."""
        first = self._page(self._last_id)
        try:
            self._lengthen(pages - 1)
            return [_for_a_batch(_name(0), first), *self._chain[: pages - 1]] if pages > 1 else [_alone(first)]
        except Unfit:
            return [_alone(first)]

    def _lengthen(self, chain: int) -> None:
        """Encode pages up to so many; they are the same in each request, with a reference to the page before."""
        path: tuple[str | int, ...] = (*self.family.path, PAGE_SIZE - 1, self.family.id_key)
        for place in range(len(self._chain), chain):
            self._chain.append(_for_a_batch(_name(place + 1), self._page(Ref(_name(place), path))))

    def take(self, outcome: AjaxResult) -> list[Row]:
        """Return the rows of the next page, and put the cursor behind them.

        Raises:
            CursorStalled: An id does not lie behind the one before it.
            UsageError: The answer has another shape, or an id is no number.
        """
        rows = self.family.rows(self.command.method, outcome.data)
        ids = [row[self.family.id_key] for row in rows]
        places = self._numbers(ids if self._last_id is None else [self._last_id, *ids])
        if not all(map(gt if self.descending else lt, places, places[1:])):
            raise self._stalled(places)
        self._last_id = ids[-1] if ids else self._last_id
        self.unbroken = len(rows) == PAGE_SIZE
        # Permissions may have thinned a page; of a method in the table it is known that they do not.
        self.ended = len(rows) < PAGE_SIZE if self.family.known else not rows
        return rows

    def _page(self, behind: JsonValue) -> Command:
        sign = "<" if self.descending else ">"
        cursor = {} if behind is None else {f"{sign}{self.family.cursor_id_key}": behind}
        conditions = {**self._filter, **cursor}
        own = {self.family.filter: conditions} if conditions else {}
        return Command(self.command.method, {**self._params, **own})

    def _stalled(self, places: list[int]) -> CursorStalled:
        ahead = gt if self.descending else lt
        there, here = next(pair for pair in pairwise(places) if not ahead(*pair))
        reason = f"{self.command.method}: id {here} came after id {there}: the portal does not keep the order"
        key = f"the filter by {self.family.cursor_id_key} (cursor_id_key)"
        return CursorStalled(f"{reason}, or {key}; where there is none, use paging='start'")

    def _numbers(self, ids: list[JsonValue]) -> list[int]:
        numbers: list[int] = []
        try:
            numbers.extend(map(int, ids))
            return numbers
        except (TypeError, ValueError, OverflowError):  # 1e999 is JSON, and infinite
            bad = shown(ids[len(numbers)])
        reason = f"{self.command.method}: the id {bad} is no number and cannot be a cursor"
        raise UsageError(f"{reason}: name another one with id_key=, or use paging='start'")


@attrs.define(eq=False)
class ByStart:
    """Pages by the number of rows before them; several in one request as far as the portal's `total` goes.

    Attributes:
        command: What is called, with the caller's own params.
        family: How the method spells its rows and their ids.
        ended: Whether the list has no more pages.
        unbroken: Whether the portal's `next` is where the next page was asked for.
    """

    command: Command
    family: Family
    ended: bool = attrs.field(default=False, init=False)
    unbroken: bool = attrs.field(default=False, init=False)
    _params: dict[str, JsonValue] = attrs.field(init=False)
    _start: int = attrs.field(default=0, init=False)
    _step: int = attrs.field(default=0, init=False)
    _total: int = attrs.field(default=0, init=False)
    _seen: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._params = named(self.command.method, self.command.params)
        refuse(self.command.method, self._params, ["start"], "all pages are read, from the first one on")
        encode_direct(self._page(0))

    def ask(self, pages: int) -> list[EncodedCommand]:
        """Return the commands for up to so many of the next pages."""
        starts = range(self._start, self._total, self._step)[:pages] if self._step else ()
        return _encoded([self._page(start) for start in starts or (self._start,)])

    def take(self, outcome: AjaxResult) -> list[Row]:
        """Return those rows of the next page that were not there before, and go on where `next` says."""
        rows = self.family.rows(self.command.method, outcome.data)
        self._total = outcome.total or 0
        following = self._following(outcome.next)
        if following is None:
            self.ended = True
        else:
            self._step = self._step or following - self._start
            self.unbroken = following == self._start + self._step
            self._start = following
        return [row for row in rows if self._is_new(str(row[self.family.id_key]))]

    def _following(self, following: int | None) -> int | None:
        """Where the next page starts: past its end a list begins anew, and what it calls next lies behind."""
        if following is None or following > self._start:
            return following
        # Permissions thinned a page and `next` with it, to nothing or so that the portal rounded it down again.
        behind = (self._start if following < self._start else self._start + 1) + PAGE_SIZE - 1
        rounded = behind // PAGE_SIZE * PAGE_SIZE
        return rounded if self._start < rounded < self._total else None

    def _page(self, start: int) -> Command:
        return Command(self.command.method, {**self._params, "start": start})

    def _is_new(self, row_id: str) -> bool:
        seen = row_id in self._seen
        self._seen.add(row_id)
        return not seen


def _encoded(pages: list[Command]) -> list[EncodedCommand]:
    """Return pages for one batch; the first alone, for a direct call, where a batch would change them."""
    if len(pages) > 1:
        try:
            return [_for_a_batch(_name(place), page) for place, page in enumerate(pages)]
        except Unfit:
            pass
    return [_alone(pages[0])]


def _alone(page: Command) -> EncodedCommand:
    return EncodedCommand(_name(0), page, None, params=encode_direct(page), obstacle="it is the only one")


def _for_a_batch(name: str, page: Command) -> EncodedCommand:
    refuse_vendor(page.method)
    params = wire_params(page.params, page.method)
    if has_empty(params):
        raise Unfit("an empty list means another thing in a query than in the first page, a direct call")
    text = f"{page.method}?{Query(params, page.method).text}"
    return EncodedCommand(name, page, None, text)


def _name(place: int) -> str:
    return f"p{place}"

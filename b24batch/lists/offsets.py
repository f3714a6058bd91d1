"""Start paging: ``start`` is the number of rows before a page. Also lists that are returned whole."""

from __future__ import annotations

import attrs

from b24batch.aliases import JsonValue, Params
from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand, encode_direct
from b24batch.errors import CursorStalled, UnexpectedAnswer
from b24batch.lists.conditions import copy_named, gather_conditions, place_params, refuse, respell
from b24batch.lists.families import Family, Row
from b24batch.lists.page_commands import PAGE_SIZE, encode_together
from b24batch.lists.repeats import Repeats
from b24batch.results import AjaxResult

#: After more empty pages in a row the list is given up: the portal announces more rows forever.
_MOST_EMPTY = 100


@attrs.define(eq=False)
class ByStart:
    """Pages by the number of rows before them; several in one request if the portal's `total` covers them.

    Attributes:
        command: The list method, with the caller's params.
        family: The names of the rows and their ids.
        whole: Whether the first answer has all rows, unless it announces more.
        ended: Whether the list has no more pages.
        unbroken: Whether the next page was requested at the portal's `next`.
        start: The number of rows before the next page.
        step: The number of rows from one page to the next; 0 if that is not known.
        total: The number of rows by the portal; 0 if it does not count them.
    """

    command: Command
    family: Family
    whole: bool = False
    ended: bool = attrs.field(default=False, init=False)
    unbroken: bool = attrs.field(default=False, init=False)
    start: int = attrs.field(default=0, init=False)
    step: int = attrs.field(default=0, init=False)
    total: int = attrs.field(default=0, init=False)
    _params: Params = attrs.field(init=False)
    _horizon: int = attrs.field(default=0, init=False)
    _had_next: bool = attrs.field(default=False, init=False)
    _empty: int = attrs.field(default=0, init=False)
    _repeats: Repeats = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        method, params, family = self.command.method, self.command.params, self.family
        self._repeats = Repeats(family.id_key, sure=bool(family.kind) and not family.named, named=family.named)
        self._params = place_params(method, params) if self.whole else copy_named(method, params)
        if isinstance(self._params, dict):
            self._params = respell(method, self._params, family.filter, family.order, family.sort)
            refuse(method, self._params, ["start"], "all pages are read, from the first one")
            if family.filter and family.filter in self._params:
                self._params = gather_conditions(method, self._params, family.filter)
        encode_direct(self._make_page(0))

    def ask(self, pages: int, start: int | None = None) -> list[EncodedCommand]:
        """Return the commands for up to `pages` of the next pages, or of those from `start` on."""
        first = self.start if start is None else start
        starts = range(first, self._horizon, self.step)[:pages] if self.step else ()
        return encode_together([self._make_page(start) for start in starts or (first,)])

    def take(self, outcome: AjaxResult) -> list[Row]:
        """Return the rows of the next page that did not come before, and move on to the page after it.

        Raises:
            CursorStalled: The portal returned an earlier page instead of the requested one.
            UnexpectedAnswer: The answer has an unexpected shape, or does not say whether it is the last page.
        """
        found = self.family.shape.find(self.command.method, outcome.data)
        if found.key != self.family.result_key:
            self.family = attrs.evolve(self.family, result_key=found.key)
        rows = found.rows
        fresh = self._repeats.remove_from(rows)
        if self.whole and self.start == 0:
            fresh = rows  # one answer repeats nothing: the days of a recurring event share an id
        repeated = bool(rows) and not fresh and self.start > 0
        following = self._find_next_after_repeats(outcome) if repeated else self._find_next(len(rows), outcome)
        self._empty = 0 if rows else self._empty + 1
        if following is None:
            self.ended = True
        elif isinstance(self._params, list | tuple):
            raise self._answer_error("the portal announces more rows, but positional params have no start")
        elif self._empty > _MOST_EMPTY:
            raise self._stall_error(f"got {_MOST_EMPTY} empty pages in a row, each with a next one")
        else:
            self._go_on(following, outcome)
        return fresh

    def _go_on(self, following: int, outcome: AjaxResult) -> None:
        self.unbroken = self.step in (0, following - self.start)
        self.step, self.start = following - self.start, following
        self.total = 0 if self._is_silent else outcome.total or 0
        counted_up = self._is_silent or (self._is_sized and not self.total)
        self._horizon = max(self.total, following + PAGE_SIZE * self.step if counted_up else 0)

    @property
    def _is_silent(self) -> bool:
        return self.family.kind == "start" and "silent" in self.family.word

    @property
    def _is_sized(self) -> bool:
        return self.family.kind == "start" and "sized" in self.family.word

    def _find_next(self, rows: int, outcome: AjaxResult) -> int | None:
        """Return the start of the page after one with `rows` rows; None if it was the last."""
        total, reached = outcome.total or 0, self.start + rows
        if outcome.next is not None and outcome.next > self.start:
            if outcome.next < reached and not self._repeats.known:
                raise self._answer_error(f"next is {outcome.next}, among the rows of this page, which have no id")
            self._had_next = True
            return outcome.next
        if total > max(reached, self.start + self.step if self._had_next else 0):
            return self._find_next_by_total(reached, outcome)
        if not rows:
            return None
        if self._is_silent:
            return reached if rows >= PAGE_SIZE else None
        if total >= reached or (self._had_next and outcome.next is None) or self._is_last(rows):
            return None
        if self.family.kind == "start":
            return reached
        raise self._no_end_error()

    def _is_last(self, rows: int) -> bool:
        """Return whether a page is the last if neither `next` nor `total` says so."""
        if self.family.kind in ("cursor", "start"):
            short = rows < PAGE_SIZE and self.family.word != "thinned" and not self._is_sized
            return short and (self.whole or self.family.kind == "start")
        return self.whole

    def _find_next_by_total(self, reached: int, outcome: AjaxResult) -> int:
        """Return the start of the next page if the portal counts more rows, but `next` does not lead to them."""
        if outcome.next is None and not self.whole and self.family.kind != "start":
            raise self._no_end_error()
        return reached if outcome.next is None and reached > self.start else _round_up(self.start)

    def _find_next_after_repeats(self, outcome: AjaxResult) -> int | None:
        """Return the start of the page after one that repeats earlier rows; None if it was the last.

        After its end a list may start again from the beginning. If permissions removed rows from a page, and `next`
        is smaller for it, the portal may have rounded `start` down to that same page.
        """
        if 0 < (outcome.total or 0) <= self.start and (outcome.next or 0) < self.start:
            return None
        if self.start % PAGE_SIZE:
            return _round_up(self.start)
        if self.family.kind == "start" and (outcome.next or 0) > self.start:
            return outcome.next
        raise self._stall_error(f"start={self.start} gave rows that came before: the portal ignores it")

    def _make_page(self, start: int) -> Command:
        if self.whole and start == 0:
            return Command(self.command.method, self._params)
        params: dict[str, JsonValue] = copy_named(self.command.method, self._params)
        return Command(self.command.method, {**params, "start": start})

    def _no_end_error(self) -> UnexpectedAnswer:
        reason = "an answer without a next that leads on, and no total that says it is the last: there may be more rows"
        own = f" ({self.family.own})" if self.family.own.strip("-") else ""
        way = f"use paging='whole' if all rows come in one answer, or page with the method's own parameters{own}"
        return self._answer_error(f"{reason}; {way}")

    def _answer_error(self, reason: str) -> UnexpectedAnswer:
        return UnexpectedAnswer(f"{self.command.method}: {reason}", data=self._repeats.page)

    def _stall_error(self, reason: str) -> CursorStalled:
        way = "use paging='cursor', or 'whole' if all rows come in one answer"
        return CursorStalled(f"{self.command.method}: {reason}; {way}")


def _round_up(start: int) -> int:
    """Return the start of the first page after `start`."""
    return (start // PAGE_SIZE + 1) * PAGE_SIZE

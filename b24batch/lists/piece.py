"""Pieces: parts of a list that are read beside each other, each from one id to another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import SdkError
from b24batch.lists.families import Row
from b24batch.lists.packed import pack, unpack
from b24batch.lists.page_commands import PAGE_SIZE
from b24batch.lists.places import FromPlace
from b24batch.lists.reading import take_pages
from b24batch.results import AjaxResult

#: Rows are dense if there are at most so many times as many ids: then the number of rows between two ids is known.
_DENSE = 1.05
#: Where a page reaches over so many times fewer ids than all pages do, the rows lie close together, and gaps follow.
_CLOSE = 4


@attrs.define(eq=False)
class Piece:
    """The rows behind one place, up to another. A row is in one piece only, so none comes twice.

    Its end is found like that of a list: it was read to its end when a row beyond it came, or when nothing came.

    Attributes:
        way: The way through the list, behind the rows that came.
        until: The place of the last row that may belong to it; None for the last piece, which ends with the list.
        span: An estimate of how far the places of a page reach.
        pages: The rows that came and were not returned yet, packed.
        read: The number of pages that came.
        rows: The number of rows that came and belong to it.
        is_begun: Whether a request for it was sent.
        is_on_way: Whether a request for it is on its way.
        asked: The number of its pages in that request.
        is_done: Whether all of its rows came.
        is_alone: Whether the next request is for one page and is not sent again, because several pages crashed.
        start: The place behind which it begins.
        left: The number of rows that are left in it, by the portal's `total`; None if that is not known.
        least: The number of pages to request at least, where nothing is known of the rows: twice as many as before.
    """

    way: FromPlace
    until: int | None = None
    span: float = float(PAGE_SIZE)
    pages: list[JsonValue] = attrs.field(factory=list, init=False)
    read: int = attrs.field(default=0, init=False)
    rows: int = attrs.field(default=0, init=False)
    is_begun: bool = attrs.field(default=False, init=False)
    is_on_way: bool = attrs.field(default=False, init=False)
    asked: int = attrs.field(default=0, init=False)
    is_done: bool = attrs.field(default=False, init=False)
    is_alone: bool = attrs.field(default=False, init=False)
    start: int = attrs.field(init=False)
    left: int | None = attrs.field(default=None, init=False)
    least: int = attrs.field(default=0, init=False)
    #: Where it ended and how many rows were left before something was cut off that was not yet requested.
    _uncut: tuple[int | None, int | None] = attrs.field(default=(None, None), init=False)

    def __attrs_post_init__(self) -> None:
        self.start = self._reached

    def take(
        self, outcomes: Sequence[AjaxResult], mask: Callable[[SdkError], None], last: int | None = None
    ) -> SdkError | None:
        """Take the pages of one request, up to the end of the piece; return the error after them or None.

        Args:
            outcomes: The outcomes of the pages.
            mask: Masks secrets in an error.
            last: The last place where a row is known to be; a page before it is not the last only because it is short.
        """
        before, taken = self.way.reached, 0
        try:
            for rows in take_pages(self.way, outcomes, mask):
                self.read += 1
                before = before if before is not None or not rows else self.way.place(rows[0]) - 1
                taken += len(rows)
                self._measure(taken, before)
                self._keep(rows)
                self._end_after(rows, last)
        except SdkError as error:
            return error
        return None

    def end(self, until: int) -> None:
        """End the piece at a place where a row is known to follow; rows beyond it are dropped."""
        self.until = until
        pages, self.pages = list(map(unpack, self.pages)), []
        self.rows -= sum(map(len, pages))
        for rows in pages:
            self._keep(rows)
        self.reopen()

    def reopen(self) -> None:
        """Take back that it was read to its end: a row that was not reached is known to be there."""
        self.is_done = self.until is not None and self._reached >= self.until
        self.way.ended = False

    def ids(self, last: int | None) -> int:
        """Return how many ids are left; `last` is the last place where a row is known to be."""
        end = last if self.until is None else self.until
        return 0 if end is None else max(0, end - self._reached)

    def is_dense(self, last: int | None) -> bool:
        """Whether there is a row for nearly every id that is left."""
        return self.left is not None and self.ids(last) <= _DENSE * self.left

    def rest(self, last: int | None) -> float:
        """Return an estimate of the pages that are left; `last` is the last place where a row is known to be."""
        if self.is_done:
            return 0.0
        ids = self.ids(last)
        if self.left is not None and 0 <= self.left <= ids:  # otherwise the portal counted wrong
            return self.left / PAGE_SIZE
        return ids / self.span

    def cut(self, pages: float, last: int | None) -> Piece:
        """Cut off and return what lies behind so many more pages, taking the rows to be spread evenly."""
        ids, left, is_dense = self.ids(last), self.left, self.is_dense(last)
        span = PAGE_SIZE if is_dense else ids / self.rest(last)
        self.span = self.span if self.span < span / _CLOSE else span
        taken = max(1, int(pages * self.span))
        place = self._reached + taken
        behind = Piece(self.way.behind(place), self.until, self.span)
        self._uncut = self.until, left
        self.until, self.left = place, None
        if is_dense and left is not None:
            behind.left = left * (ids - taken) // ids
            self.left = left - behind.left
        return behind

    def leave(self) -> Piece:
        """Return all that has not come yet as a piece; `close` comes after it has its place in the list."""
        behind = Piece(self.way, self.until, self.span)
        behind.left, behind.least = self.left, self.least
        return behind

    def close(self) -> None:
        """End the piece with the rows that came."""
        self.until, self.left, self.is_done = self._reached, 0, True

    def join(self, behind: Piece) -> None:
        """Add a piece behind it, of which nothing was requested."""
        self.until = behind.until
        self.left = self._uncut[1] if self.until == self._uncut[0] else None

    @property
    def is_blank(self) -> bool:
        """Whether nothing of it was requested."""
        return not self.is_begun and not self.read

    @property
    def _reached(self) -> int:
        return self.way.reached or 0

    def _keep(self, rows: list[Row]) -> None:
        if rows and self.until is not None and self.way.place(rows[-1]) > self.until:
            rows = rows[: bisect_right(rows, self.until, key=self.way.place)]
        if rows:
            self.pages.append(pack(rows))
            self.rows += len(rows)
            self.left = None if self.left is None else self.left - len(rows)

    def _end_after(self, rows: list[Row], last: int | None) -> None:
        behind = last if self.until is None else self.until
        all_known = behind is None or self._reached >= behind
        self.is_done = (all_known and self.until is not None) or (self.way.ended and (all_known or not rows))
        self.way.ended = self.is_done  # so no page after it is taken

    def _measure(self, rows: int, before: int | None) -> None:
        """Estimate the span from the rows of a request, with the gap before: where there are gaps, others follow."""
        if rows and before is not None:
            self.span = (self._reached - before) / rows * PAGE_SIZE

"""Lists: reads rows page by page, with as many pages per request as the portal can answer in time."""

from __future__ import annotations

from collections.abc import Generator

import attrs

from b24batch.calls.chunks import cut
from b24batch.calls.commands import Command
from b24batch.calls.write_methods import is_known_write
from b24batch.errors import OperatingLimitExceeded, SdkError, UsageError
from b24batch.lists.families import Family, Row
from b24batch.lists.hand import Hand
from b24batch.lists.offsets import ByStart
from b24batch.lists.page_commands import PAGE_SIZE
from b24batch.lists.pages import ByCursor
from b24batch.lists.reading import SLOW_REQUEST, Pages, crashed_together, take_pages
from b24batch.redaction import put_aside
from b24batch.results import AjaxResult
from b24batch.runs.operating import Waited
from b24batch.runs.requests import Requests
from b24batch.streams import Stream, give_rows


@attrs.define(eq=False)
class Listing:
    """A list that is being read.

    Attributes:
        requests: Sends the requests.
        way: How the list is paged.
        repeatable: Whether a request may be sent again if its answer was lost.
        pages_per_request: Maximum number of pages in one request.
        left: The number of rows still to return; None for all.
    """

    requests: Requests
    way: Pages
    repeatable: bool = attrs.field(kw_only=True)
    pages_per_request: int = attrs.field(kw_only=True)
    left: int | None = attrs.field(kw_only=True)
    _size: int = attrs.field(default=1, init=False)
    _waited: Waited = attrs.field(factory=Waited, init=False)
    _hand: Hand = attrs.field(factory=Hand, init=False)
    _stopped: list[BaseException | None] = attrs.field(factory=lambda: [None], init=False)

    def pages(self) -> Stream[list[Row], list[Row]]:
        """Return a stream of the rows of each page that has any, in the order of the list.

        Raises:
            SdkError: The list could not be read to its end. Pages that were yielded before remain valid. This, like any
                other exception that stops the list, has `Stream.result` as its `result`.
        """
        return Stream(self._read_pages(), lambda: self._hand.unread, stopped=self._stopped)

    def _read_pages(self) -> Generator[list[Row], None, None]:
        try:
            while not self.way.ended and self.left != 0:
                self._hand = self._hand.then([])
                end = self._take(self._request(), self._hand.pages)
                yield from self._hand.left
                if isinstance(end, OperatingLimitExceeded) and self.requests.wait([end.method], self._waited):
                    continue
                if end is not None:
                    raise end
        except BaseException as interrupt:
            give_rows(interrupt, self._hand.unread, yielded=self._hand.yielded)
            if not put_aside(interrupt, self._stopped):
                raise

    def _take(self, outcomes: list[AjaxResult], pages: list[list[Row]]) -> SdkError | None:
        """Add the pages of one request, until one after which the others are invalid; return its error or None."""
        try:
            for rows in take_pages(self.way, outcomes, self.requests.mask):
                self._waited = Waited()
                if rows:
                    pages.append(self._limit(rows))
                if self.left == 0:
                    break
        except SdkError as error:
            return error
        return None

    def _limit(self, rows: list[Row]) -> list[Row]:
        if self.left is None:
            return rows
        wanted = rows[: self.left]
        self.left -= len(wanted)
        return wanted

    def _request(self) -> list[AjaxResult]:
        """Return the outcomes of the next pages: as many as are needed and the portal can answer in time."""
        if not self.way.unbroken:
            self._size = 1
        wanted = self._size if self.left is None else min(self._size, -(-self.left // PAGE_SIZE))
        began = self.requests.clock.monotonic()
        try:
            outcomes, size = self._ask(wanted)
        except OperatingLimitExceeded as error:
            return [AjaxResult(self.way.command, "failed", error=error)]
        # At most twice as many: pages requested after the end of a list make the portal read the first page again.
        slow = self.requests.clock.monotonic() - began > SLOW_REQUEST
        self._size = max(1, size // 2) if slow else min(self.pages_per_request, size * 2)
        return outcomes

    def _ask(self, pages: int) -> tuple[list[AjaxResult], int]:
        """Return the outcomes of up to `pages` pages, and the size to continue from."""
        chunk = next(cut(self.way.ask(pages)))
        try:
            return self.requests.send(chunk, halt=True, repeatable=self.repeatable), self._size
        except SdkError as error:
            if not crashed_together(error, len(chunk.commands)):
                raise
        self.pages_per_request = max(1, len(chunk.commands) // 2)
        return self.requests.send(next(cut(self.way.ask(1))), halt=True, repeatable=False), 1


def way_through(command: Command, family: Family, paging: str, *, cursor_id_key: str | None, descending: bool) -> Pages:
    """Return the way through the list that `command` asks for.

    Args:
        command: The list method, with the caller's params.
        family: How the method pages.
        paging: ``cursor``, ``start`` or ``whole``.
        cursor_id_key: As the caller gave it.
        descending: Whether the newest row comes first.

    Raises:
        UsageError: If the arguments do not fit together.
    """
    if paging == "cursor":
        return ByCursor(command, family, descending)
    if descending or cursor_id_key is not None:
        way = "give an order in the params instead of descending or cursor_id_key"
        raise UsageError(f"{command.method}: paging='{paging}' keeps the order of the portal: {way}")
    return ByStart(command, family, whole=paging == "whole")


def refuse_write(method: str) -> None:
    """Raise `UsageError` if the method is known to write."""
    if is_known_write(method):
        raise UsageError(f"{method} writes, and list methods only read; use call")

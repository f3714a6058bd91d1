"""Lists: page after page of rows, with as many pages in a request as the portal answers in good time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from b24batch.answers import Answer
from b24batch.chunks import MAX_COMMANDS, Chunk, cut
from b24batch.encoding import shown
from b24batch.errors import AnswerLost, OperatingLimitExceeded, SdkError, UsageError
from b24batch.families import Row
from b24batch.limits import Clock, OperatingTime, Wait
from b24batch.page_commands import PAGE_SIZE
from b24batch.payload import dump, load
from b24batch.results import AjaxResult
from b24batch.ways import Pages

#: Seconds: a portal ends a request after 60, so one that took a third of that gets fewer pages.
SLOW_REQUEST = 20.0
#: What a portal answers when a method died of its own fault.
_DIED = 500


@attrs.define(eq=False)
class Listing:
    """A list on its way from one portal.

    Attributes:
        call: The way to the portal.
        pause: Lets a wait for operating time pass.
        operating: What is known of the methods' operating time.
        longest_wait: The most seconds to wait for it while no page comes.
        clock: Where time comes from.
        repeatable: Whether a request of which the answer was lost may be sent again.
        request_id: Of the first request; the n-th has ``/n`` behind it.
        pages_per_request: The most pages asked for at once.
        way: The way through the list.
        limit: How many rows are wanted; None for all.
    """

    call: Callable[..., Answer]
    pause: Callable[[Wait], None]
    operating: OperatingTime
    longest_wait: float
    clock: Clock
    repeatable: bool
    request_id: str
    pages_per_request: int
    way: Pages
    limit: int | None = None
    _size: int = attrs.field(default=1, init=False)
    _requests: int = attrs.field(default=0, init=False)
    _waited: float = attrs.field(default=0.0, init=False)
    _waits: int = attrs.field(default=0, init=False)

    def pages(self) -> Iterator[list[Row]]:
        """Yield the rows of each page that has any, in the order of the list.

        Raises:
            SdkError: What ended the list early; the pages yielded before it stand.
        """
        left = self.limit
        while not self.way.ended and left != 0:
            for rows in self._taken(self._request(left)):
                yield rows[:left]
                left = None if left is None else max(0, left - len(rows))
                if left == 0:
                    return

    def _taken(self, outcomes: list[AjaxResult]) -> Iterator[list[Row]]:
        """Yield the rows of the pages of one request, up to the first that says that what follows it is void."""
        for outcome in outcomes:
            if isinstance(outcome.error, OperatingLimitExceeded):
                self._wait(outcome.error)
                return
            if outcome.error is not None:
                raise outcome.error
            try:
                rows = self.way.take(outcome)
            except SdkError as error:
                error.http_status, error.request_id = outcome.http_status, outcome.request_id
                raise
            self._waited = self._waits = 0
            if rows:
                yield rows
            if self.way.ended or not self.way.unbroken:
                return

    @property
    def _request_id(self) -> str:
        return self.request_id if self._requests <= 1 else f"{self.request_id}/{self._requests}"

    def _request(self, left: int | None) -> list[AjaxResult]:
        """Return the outcomes of the next pages, as many as the last request proved to be fit and as are wanted."""
        if not self.way.unbroken:
            self._size = 1
        wanted = self._size if left is None else min(self._size, -(-left // PAGE_SIZE))
        chunk = next(cut(self.way.ask(wanted)))
        began = self.clock.monotonic()
        try:
            outcomes = self._send(chunk, repeatable=self.repeatable)
        except OperatingLimitExceeded as error:
            return [AjaxResult(self.way.command, "failed", error=error)]
        except AnswerLost as error:
            if error.http_status != _DIED or len(chunk.commands) == 1:
                raise
            outcomes = None
        if outcomes is None:
            return self._one_page(len(chunk.commands))
        # Twice as many, no more: of what is asked for behind the end of a list, the portal reads the first page again.
        slow = self.clock.monotonic() - began > SLOW_REQUEST
        self._size = max(1, self._size // 2) if slow else min(self.pages_per_request, self._size * 2)
        return outcomes

    def _one_page(self, died: int) -> list[AjaxResult]:
        """Return the outcome of the next page alone, after a request of so many pages killed the method.

        It may have died of what a reference held behind a short page. Requests do not grow to that size again.
        """
        self.pages_per_request = max(1, died // 2)
        self._size = min(2, self.pages_per_request)
        return self._send(next(cut(self.way.ask(1))), repeatable=False)

    def _send(self, chunk: Chunk, *, repeatable: bool) -> list[AjaxResult]:
        self._requests += 1
        method, params = dump(chunk, halt=True)
        size, request_id = len(chunk.commands), self._request_id
        answer = self.call(method, params, request_id=request_id, repeatable=repeatable, commands=size)
        self.operating.note(method, answer.envelope.get("time"))
        outcomes = load(chunk, answer, halt=True)
        for outcome in outcomes:
            self.operating.note(outcome.command.method, outcome.time)
        return outcomes

    def _wait(self, error: OperatingLimitExceeded) -> None:
        """Wait until the portal frees the method; raise `error` when that would take too long."""
        error.reset_at = self.operating.reset_at(error.method)
        seconds = self.operating.wait_for([error.method])
        if self._waited + seconds > self.longest_wait:
            raise error
        self._waited += seconds
        self._waits += 1
        self.pause(Wait("operating", seconds, self._waits + 1, self._request_id))


def collected(pages: Iterator[list[Row]]) -> list[Row]:
    """Return the rows of all pages.

    Raises:
        BaseException: Whatever ends the list early, Ctrl-C for one; its `result` holds the rows so far.
    """
    rows: list[Row] = []
    try:
        for page in pages:
            rows.extend(page)
    except BaseException as interrupt:
        vars(interrupt)["result"] = rows
        raise
    return rows


def check_limit(limit: object) -> int | None:
    """Return how many rows are wanted, None for all; raise `UsageError` for what is no such number."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise UsageError(f"limit is a whole number of rows from 1, or None, not {shown(limit)}")
    return limit


def check_pages(number: object) -> int:
    """Return how many pages a request may ask for; raise `UsageError` unless they fit into one batch."""
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_COMMANDS:
        raise UsageError(f"pages_per_request is a whole number from 1 to {MAX_COMMANDS}, not {shown(number)}")
    return number

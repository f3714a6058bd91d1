"""Lists: page after page of rows, with as many pages in a request as the portal answers in good time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from copy import copy
from itertools import chain

import attrs

from b24batch.answers import Answer
from b24batch.auth import Secret
from b24batch.chunks import MAX_COMMANDS, Chunk, cut
from b24batch.encoding import shown
from b24batch.errors import AnswerLost, OperatingLimitExceeded, SdkError, UnexpectedAnswer, UsageError
from b24batch.extra import masked_value
from b24batch.families import Row
from b24batch.limits import Clock, OperatingTime, Wait
from b24batch.masks import masked
from b24batch.page_commands import PAGE_SIZE
from b24batch.payload import dump, load
from b24batch.results import AjaxResult
from b24batch.streams import Stream
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
    #: How many rows are still wanted; None for all.
    _left: int | None = attrs.field(init=False)
    #: What no text of an error may show, of the answer that came last.
    _secrets: tuple[Secret, ...] = attrs.field(default=(), init=False, repr=False)
    #: The pages that have come and were not yielded.
    _hand: Iterator[list[Row]] = attrs.field(factory=lambda: iter(()), init=False)

    @_left.default
    def _all_wanted(self) -> int | None:
        return self.limit

    def pages(self) -> Stream[list[Row], list[Row]]:
        """Return a stream of the rows of each page that has any, in the order of the list.

        Raises:
            SdkError: What ended the list early; the pages yielded before it stand. Like whatever else ends it, it
                has the `Stream.result` as its own.
        """
        return Stream(self._pages(), self._known)

    def _known(self) -> list[Row]:
        return list(chain.from_iterable(copy(self._hand)))

    def _pages(self) -> Generator[list[Row], None, None]:
        try:
            while not self.way.ended and self._left != 0:
                pages: list[list[Row]] = []
                self._hand = iter(pages)
                end = self._take(self._request(self._left), pages)
                yield from self._hand
                if end is not None:
                    self._wait(end)
        except BaseException as interrupt:
            vars(interrupt)["result"] = self._known()
            raise

    def _take(self, outcomes: list[AjaxResult], pages: list[list[Row]]) -> SdkError | None:
        """Add the pages of one request, up to the first that says that what follows it is void, and why it does."""
        for outcome in outcomes:
            if outcome.error is not None:
                return outcome.error
            try:
                rows = self.way.take(outcome)
            except SdkError as error:
                error.http_status, error.request_id = outcome.http_status, outcome.request_id
                self._mask(error)
                return error
            self._waited = self._waits = 0
            if rows:
                pages.append(self._wanted(rows))
            if self.way.ended or not self.way.unbroken or self._left == 0:
                return None
        return None

    def _mask(self, error: SdkError) -> None:
        """Take out of an error what the answer that came last repeats of the session's secrets."""
        error.description = masked(error.description, self._secrets)
        error.args = (error.description,)
        if isinstance(error, UnexpectedAnswer):
            error.data = masked_value(error.data, lambda text: masked(text, self._secrets))

    def _wanted(self, rows: list[Row]) -> list[Row]:
        if self._left is None:
            return rows
        wanted = rows[: self._left]
        self._left -= len(wanted)
        return wanted

    @property
    def _request_id(self) -> str:
        return self.request_id if self._requests <= 1 else f"{self.request_id}/{self._requests}"

    def _request(self, left: int | None) -> list[AjaxResult]:
        """Return the outcomes of the next pages, as many as the last request proved to be fit and as are wanted."""
        if not self.way.unbroken:
            self._size = 1
        wanted = self._size if left is None else min(self._size, -(-left // PAGE_SIZE))
        began = self.clock.monotonic()
        try:
            outcomes, size = self._ask(wanted)
        except OperatingLimitExceeded as error:
            return [AjaxResult(self.way.command, "failed", error=error)]
        # Twice as many, no more: of what is asked for behind the end of a list, the portal reads the first page again.
        slow = self.clock.monotonic() - began > SLOW_REQUEST
        self._size = max(1, size // 2) if slow else min(self.pages_per_request, size * 2)
        return outcomes

    def _ask(self, pages: int) -> tuple[list[AjaxResult], int]:
        """Return the outcomes of up to so many pages, and the size to go on from; one after many killed the method.

        It may have died of what a reference held behind a short page. Requests do not grow to that size again.
        """
        chunk = next(cut(self.way.ask(pages)))
        try:
            return self._send(chunk, repeatable=self.repeatable), self._size
        except AnswerLost as error:
            if error.http_status != _DIED or len(chunk.commands) == 1:
                raise
        self.pages_per_request = max(1, len(chunk.commands) // 2)
        return self._send(next(cut(self.way.ask(1))), repeatable=False), 1

    def _send(self, chunk: Chunk, *, repeatable: bool) -> list[AjaxResult]:
        self._requests += 1
        method, params = dump(chunk, halt=True)
        size, request_id = len(chunk.commands), self._request_id
        answer = self.call(method, params, request_id=request_id, repeatable=repeatable, commands=size)
        self._secrets = answer.secrets
        self.operating.note(method, answer.envelope.get("time"))
        outcomes = load(chunk, answer, halt=True)
        for outcome in outcomes:
            self.operating.note(outcome.command.method, outcome.time)
        return outcomes

    def _wait(self, error: SdkError) -> None:
        """Wait until the portal frees the method; raise `error` when that would take too long, or any other."""
        if not isinstance(error, OperatingLimitExceeded):
            raise error
        error.reset_at = self.operating.reset_at(error.method)
        seconds = self.operating.wait_for([error.method])
        if self._waited + seconds > self.longest_wait:
            raise error
        self._waited += seconds
        self._waits += 1
        self.pause(Wait("operating", seconds, self._waits + 1, self._request_id))


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

"""Lists: page after page of rows, with as many pages in a request as the portal answers in good time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from copy import copy
from itertools import chain
from typing import Protocol

import attrs

from b24batch.answers import Answer
from b24batch.chunks import MAX_COMMANDS, Chunk, cut
from b24batch.commands import Command
from b24batch.encoded import EncodedCommand
from b24batch.encoding import shown
from b24batch.errors import OperatingLimitExceeded, SdkError, UsageError
from b24batch.families import Family, Row
from b24batch.limits import Clock, OperatingTime, Wait
from b24batch.pages import ByCursor, ByStart
from b24batch.payload import dump, load
from b24batch.results import AjaxResult
from b24batch.streams import Stream

#: Seconds: a portal ends a request after 60, so one that took a third of that gets fewer pages.
SLOW_REQUEST = 20.0


class Pages(Protocol):
    """A way through a list.

    Attributes:
        command: What is called, with the caller's own params.
        ended: Whether the list has no more pages.
        unbroken: Whether the pages asked for behind the one taken last are what follows it.
    """

    command: Command
    ended: bool
    unbroken: bool

    def ask(self, pages: int) -> list[EncodedCommand]:
        """Return the commands for up to so many of the next pages."""

    def take(self, outcome: AjaxResult) -> list[Row]:
        """Return the rows of the next page, and go on behind it."""


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
    _size: int = attrs.field(default=1, init=False)
    _requests: int = attrs.field(default=0, init=False)
    _waited: float = attrs.field(default=0.0, init=False)
    _waits: int = attrs.field(default=0, init=False)
    #: The pages that have come and were not yielded.
    _hand: Iterator[list[Row]] = attrs.field(factory=lambda: iter(()), init=False)

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
            while not self.way.ended:
                pages: list[list[Row]] = []
                self._hand = iter(pages)
                end = self._take(self._request(), pages)
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
                return error
            self._waited = self._waits = 0
            if rows:
                pages.append(rows)
            if self.way.ended or not self.way.unbroken:
                return None
        return None

    @property
    def _request_id(self) -> str:
        return self.request_id if self._requests <= 1 else f"{self.request_id}/{self._requests}"

    def _request(self) -> list[AjaxResult]:
        """Return the outcomes of the next pages, as many as the last request proved to be fit."""
        if not self.way.unbroken:
            self._size = 1
        chunk = next(cut(self.way.ask(self._size)))
        began = self.clock.monotonic()
        try:
            outcomes = self._send(chunk)
        except OperatingLimitExceeded as error:
            return [AjaxResult(self.way.command, "failed", error=error)]
        # Twice as many, no more: of what is asked for behind the end of a list, the portal reads the first page again.
        slow = self.clock.monotonic() - began > SLOW_REQUEST
        self._size = max(1, self._size // 2) if slow else min(self.pages_per_request, self._size * 2)
        return outcomes

    def _send(self, chunk: Chunk) -> list[AjaxResult]:
        self._requests += 1
        method, params = dump(chunk, halt=True)
        size, request_id = len(chunk.commands), self._request_id
        answer = self.call(method, params, request_id=request_id, repeatable=self.repeatable, commands=size)
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


def way_through(command: Command, family: Family, paging: str, *, cursor_id_key: str | None, descending: bool) -> Pages:
    """Return the way through the list that `command` asks for.

    Args:
        command: The method, with the caller's own params.
        family: How the method spells what is needed.
        paging: ``cursor`` or ``start``.
        cursor_id_key: As the caller gave it.
        descending: Whether the newest row comes first.

    Raises:
        UsageError: For arguments that do not go together.
    """
    if paging == "cursor":
        return ByCursor(command, family, descending)
    if paging != "start":
        raise UsageError(f"paging is 'cursor' or 'start', not {shown(paging)}")
    if descending or cursor_id_key is not None:
        raise UsageError("paging='start' keeps the order of the portal: give an order in the params, and no cursor")
    return ByStart(command, family)


def check_pages(number: object) -> int:
    """Return how many pages a request may ask for; raise `UsageError` unless they fit into one batch."""
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_COMMANDS:
        raise UsageError(f"pages_per_request is a whole number from 1 to {MAX_COMMANDS}, not {shown(number)}")
    return number

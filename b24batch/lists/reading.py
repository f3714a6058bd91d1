"""Reading: what the answer to a request says about the pages in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.errors import AnswerLost, SdkError
from b24batch.lists.families import Row
from b24batch.lists.packed import unpack_outcome
from b24batch.results import AjaxResult

#: After a request that took longer, in seconds, the next has fewer pages; the portal ends one after 60.
SLOW_REQUEST = 20.0
#: At most so many times the requests of a list that is read one after the other are planned.
MOST_REQUESTS = 1.25
#: The HTTP status if a method crashed on the portal.
_CRASHED = 500


class Pages(Protocol):
    """A way through a list.

    Attributes:
        command: The list method, with the caller's params.
        ended: Whether the list has no more pages.
        unbroken: Whether the pages that were requested after the last one taken are really the next ones.
    """

    command: Command
    ended: bool
    unbroken: bool

    def ask(self, pages: int) -> list[EncodedCommand]:
        """Return the commands for up to so many of the next pages."""

    def take(self, outcome: AjaxResult) -> list[Row]:
        """Return the rows of the next page, and move on to the page after it."""


def take_pages(way: Pages, outcomes: Iterable[AjaxResult], mask: Callable[[SdkError], None]) -> Iterator[list[Row]]:
    """Yield the rows of each page of one request, up to the first after which the rest is void.

    Raises:
        SdkError: The error of a page, or what is unexpected in it.
    """
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
        try:
            rows = way.take(unpack_outcome(outcome))
        except SdkError as error:
            error.http_status, error.request_id = outcome.http_status, outcome.request_id
            mask(error)
            raise
        yield rows
        if way.ended or not way.unbroken:
            return


def crashed_together(error: SdkError, pages: int) -> bool:
    """Return whether several pages crashed, perhaps because of a reference after a short page.

    Then one page is requested alone, and later requests do not grow to that size again.
    """
    return isinstance(error, AnswerLost) and error.http_status == _CRASHED and pages > 1


def requests_in_turn(pages: float, most: int) -> float:
    """Return how many requests read so many pages one after the other: of 1, 2, 4 … and at most `most` pages."""
    size, number = 1, 0
    while pages > 0 and size < most:
        pages, size, number = pages - size, size * 2, number + 1
    return number + max(0.0, -(-pages // most))

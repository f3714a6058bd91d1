"""Concurrent lists: several requests of a list on their way at once, with the rows in order."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import chain
from typing import Generic, Protocol, TypeVar

import attrs

from b24batch.aliases import JsonValue
from b24batch.lists.ahead import Ahead, Offset
from b24batch.lists.families import Row
from b24batch.lists.flight import Flight, Order
from b24batch.lists.hand import Hand
from b24batch.lists.listing import Listing
from b24batch.lists.offsets import ByStart
from b24batch.lists.packed import unpack
from b24batch.lists.pages import ByCursor
from b24batch.lists.piece import Piece
from b24batch.lists.pieces import Pieces
from b24batch.lists.places import FromPlace
from b24batch.lists.reading import Pages
from b24batch.lists.survey import Asked
from b24batch.redaction import put_aside
from b24batch.runs.lanes import Lanes
from b24batch.runs.requests import Requests
from b24batch.streams import Stream, give_rows

_Part = TypeVar("_Part")


class Arrived(Protocol):
    """A part of a list.

    Attributes:
        pages: The pages that came and were not returned yet, packed.
        is_done: Whether all of its rows came.
    """

    pages: list[JsonValue]
    is_done: bool


class Plan(Protocol[_Part]):
    """Decides what is requested, and what an answer means."""

    @property
    def parts(self) -> Sequence[Arrived]:
        """The parts that were not returned yet, in the order of the list."""

    def begin(self, flight: Flight[_Part]) -> None:
        """Send what can be sent."""

    def take(self, order: Order[_Part], flight: Flight[_Part]) -> None:
        """Take what a request returned."""

    def drop_first(self) -> None:
        """Drop the first part, which was returned."""


@attrs.define(eq=False)
class ConcurrentListing(Generic[_Part]):
    """A list that is being read with several requests on their way at once.

    Attributes:
        flight: The requests on their way.
        plan: Decides what is requested.
    """

    flight: Flight[_Part]
    plan: Plan[_Part]
    _hand: Hand = attrs.field(factory=Hand, init=False)
    _stopped: list[BaseException | None] = attrs.field(factory=lambda: [None], init=False)

    def pages(self) -> Stream[list[Row], list[Row]]:
        """Return a stream of the rows of each page that has any, in the order of the list.

        Raises:
            SdkError: The list could not be read to its end. Pages that were yielded before remain valid. This, like any
                other exception that stops the list, has `Stream.result` as its `result`.
        """
        return Stream(self._pages(), self._known, stopped=self._stopped)

    def _pages(self) -> Generator[list[Row], None, None]:
        try:
            while self.plan.parts:
                self.plan.begin(self.flight)
                while self._take_page():
                    yield from self._hand.left
                if self.plan.parts[0].is_done:
                    self.plan.drop_first()
                elif self.flight.is_over:
                    break
                elif order := self.flight.land():
                    self.plan.take(order, self.flight)
            self.flight.lanes.join()
            if self.flight.failure is not None:
                raise self.flight.failure
        except BaseException as interrupt:
            self._stop(interrupt)
            give_rows(interrupt, self._known(), yielded=self._hand.yielded)
            if not put_aside(interrupt, self._stopped):
                raise

    def _take_page(self) -> bool:
        """Unpack the next page of the first part; return whether there is one."""
        first = self.plan.parts[0]
        if not first.pages:
            return False
        hand, rest = self._hand.then([unpack(first.pages[0])]), first.pages[1:]
        self._hand, first.pages = hand, rest
        return True

    def _stop(self, interrupt: BaseException) -> None:
        """Send nothing more, and take what still comes; after a `break` in the caller's loop nothing is waited for."""
        for order in self.flight.stop(wait=not isinstance(interrupt, GeneratorExit)):
            self.plan.take(order, self.flight)

    def _known(self) -> list[Row]:
        """Return the rows that were not yielded, up to the first that is missing."""
        pages: list[list[Row]] = [self._hand.unread]
        for piece in self.plan.parts:
            pages += map(unpack, piece.pages)
            if not piece.is_done:
                break
        return list(chain.from_iterable(pages))


def listing_of(
    requests: Requests, way: Pages, lanes: Lanes | None, *, repeatable: bool, pages_per_request: int, left: int | None
) -> Listing | ConcurrentListing[Asked] | ConcurrentListing[Offset]:
    """Return the list, read on `lanes` if it can be cut safely.

    By ids, of which the table knows that they work, without a limit: where the rows are is only estimated, and no page
    that is not needed may be requested. By `start`, as far as the portal counts the rows.
    """
    if lanes is not None and isinstance(way, ByStart) and not way.whole:
        return ConcurrentListing(Flight(requests, lanes, repeatable), Ahead(way, lanes.most, pages_per_request, left))
    known = isinstance(way, ByCursor) and way.family.kind == "cursor" and not way.family.named
    if lanes is None or left is not None or not (known and isinstance(way, ByCursor)):
        return Listing(requests, way, repeatable=repeatable, pages_per_request=pages_per_request, left=left)
    first = Piece(FromPlace(way.command, way.family, way.descending))
    return ConcurrentListing(Flight(requests, lanes, repeatable), Pieces([first], lanes.most, pages_per_request))

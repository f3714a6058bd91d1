"""Concurrent lists: several requests of a list on their way at once, with the rows in order."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from copy import copy
from itertools import chain

import attrs

from b24batch.lists.families import Row
from b24batch.lists.flight import Flight
from b24batch.lists.listing import Listing
from b24batch.lists.pages import ByCursor
from b24batch.lists.piece import Piece
from b24batch.lists.pieces import Pieces
from b24batch.lists.places import FromPlace
from b24batch.lists.reading import Pages
from b24batch.lists.survey import Asked
from b24batch.redaction import hide_frames
from b24batch.runs.lanes import Lanes
from b24batch.runs.requests import Requests
from b24batch.streams import Stream


@attrs.define(eq=False)
class ConcurrentListing:
    """A list that is being read with several requests on their way at once.

    Attributes:
        flight: The requests on their way.
        pieces: Decide what is requested, and what an answer means.
    """

    flight: Flight[Asked]
    pieces: Pieces
    #: The pages that arrived but were not yielded.
    _hand: Iterator[list[Row]] = attrs.field(factory=lambda: iter(()), init=False)

    def pages(self) -> Stream[list[Row], list[Row]]:
        """Return a stream of the rows of each page that has any, in the order of the list.

        Raises:
            SdkError: The list could not be read to its end. Pages that were yielded before remain valid. This, like any
                other exception that stops the list, has `Stream.result` as its `result`.
        """
        return Stream(self._pages(), self._known)

    def _pages(self) -> Generator[list[Row], None, None]:
        try:
            while self.pieces.parts:
                self.pieces.begin(self.flight)
                if self._take_hand():
                    yield from self._hand
                elif self.flight.is_over:
                    break
                elif order := self.flight.land():
                    self.pieces.take(order, self.flight)
            self.flight.lanes.join()
            if self.flight.failure is not None:
                raise self.flight.failure
        except BaseException as interrupt:
            self._stop(interrupt)
            vars(interrupt)["result"] = self._known()
            hide_frames(interrupt)
            raise

    def _take_hand(self) -> bool:
        """Take the pages of the first piece in hand; return whether anything changed."""
        first = self.pieces.parts[0]
        if first.pages:
            self._hand, first.pages = iter(first.pages), []
            return True
        if first.is_done:
            del self.pieces.parts[0]
        return first.is_done

    def _stop(self, interrupt: BaseException) -> None:
        """Send nothing more, and take what still comes; after a `break` in the caller's loop nothing is waited for."""
        for order in self.flight.stop(wait=not isinstance(interrupt, GeneratorExit)):
            self.pieces.take(order, self.flight)

    def _known(self) -> list[Row]:
        """Return the rows that were not yielded, up to the first that is missing."""
        pages = [copy(self._hand)]
        for piece in self.pieces.parts:
            pages.append(iter(piece.pages))
            if not piece.is_done:
                break
        return list(chain.from_iterable(chain.from_iterable(pages)))


def listing_of(
    requests: Requests, way: Pages, lanes: Lanes | None, *, repeatable: bool, pages_per_request: int, left: int | None
) -> Listing | ConcurrentListing:
    """Return the list, read on `lanes` if it can be cut safely: by ids, of which the table knows that they work.

    With a limit it is not: where the rows are is only estimated, and no page that is not needed may be requested.
    """
    known = isinstance(way, ByCursor) and way.family.kind == "cursor" and not way.family.named
    if lanes is None or left is not None or not (known and isinstance(way, ByCursor)):
        return Listing(requests, way, repeatable=repeatable, pages_per_request=pages_per_request, left=left)
    first = Piece(FromPlace(way.command, way.family, way.descending))
    return ConcurrentListing(Flight(requests, lanes, repeatable), Pieces([first], lanes.most, pages_per_request))

"""The budget of a list: how many requests may be sent, so that they are few more than one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import attrs

from b24batch.lists.page_commands import PAGE_SIZE
from b24batch.lists.piece import Piece
from b24batch.lists.reading import MOST_REQUESTS, requests_in_turn
from b24batch.lists.survey import Survey

#: Where rows are spread unevenly and not counted, the list is taken to have at most so many pages more than so many
#: times the rows that came.
_MORE_PAGES, _MOST_ESTIMATED = 8, 1.5


@attrs.define(eq=False)
class Budget:
    """Tells how many requests a list may take, and how many it still needs, wherever in the pieces its rows are.

    Attributes:
        survey: What is known of where the rows are.
        pages_per_request: Maximum number of pages in one request.
        rows: The number of rows that came.
    """

    survey: Survey
    pages_per_request: int
    rows: int = attrs.field(default=0, init=False)

    def planned(self, pages: float) -> int:
        """Return how many requests a list of so many pages may take."""
        in_turn = requests_in_turn(pages, self.pages_per_request)
        if self.survey.total is not None:
            return int(MOST_REQUESTS * in_turn)
        return int(MOST_REQUESTS * in_turn) - 1 if self.survey.is_even else int(in_turn)

    def pages(self, rest: float) -> float:
        """Return the pages of the list, by the portal's `total` or with an estimate of those that are left."""
        if self.survey.total is not None:
            return max(self.rows, self.survey.total) / PAGE_SIZE
        came = self.rows / PAGE_SIZE
        return came + rest if self.survey.is_even else min(came + rest, _MORE_PAGES + _MOST_ESTIMATED * came)

    def most_pages(self, piece: Piece, parts: Sequence[Piece]) -> float:
        """Return how many pages a piece has at most, if the portal counted right."""
        others = sum(other.left or 0 for other in parts if other is not piece)
        rows = -1 if self.survey.total is None else self.survey.total - self.rows - others
        return rows / PAGE_SIZE if rows >= 0 else math.inf

    def spare(self, parts: Sequence[Piece], sent: int) -> float:
        """Return how many requests may be sent besides those that the pieces need after so many were sent.

        Each gap between rows that came needs one request that may not be full, wherever its rows are.
        """
        size = self.pages_per_request
        pages = self.pages(sum(piece.rest(self.survey.last) for piece in parts))
        rest, needed = pages - self.rows / PAGE_SIZE, 0.0
        for gap in _gaps(parts):
            on_way = gap[0].asked if gap[0].is_on_way else 0
            if (self.survey.total is None and self.survey.is_even) or all(piece.left is not None for piece in gap):
                left = sum(piece.rest(self.survey.last) for piece in gap)
                rest -= left
                needed += math.ceil(max(0.0, left - on_way) / size)
            else:
                needed += 1 - on_way / size
        return self.planned(pages) - sent - needed - max(0.0, rest) / size


def begins_gap(parts: Sequence[Piece], place: int) -> bool:
    """Return whether a piece that is not done is not read along with the piece before it."""
    return place == 0 or parts[place - 1].is_done or not parts[place].is_blank


def _gaps(parts: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield the pieces of each gap between rows that came: one after the other reads on into the next."""
    gap: list[Piece] = []
    for place, piece in enumerate(parts):
        if gap and (piece.is_done or begins_gap(parts, place)):
            yield gap
            gap = []
        if not piece.is_done:
            gap.append(piece)
    if gap:
        yield gap

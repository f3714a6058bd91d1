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
#: So many times the estimated pages are requested, and one more; the second if there are gaps between the ids.
_RESERVE, _MORE_RESERVE = 1.05, 1.2


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

    def planned(self, estimate: float) -> int:
        """Return how many requests a list may take that is estimated to have so many pages."""
        pages = self._pages(estimate)
        in_turn = requests_in_turn(pages, self.pages_per_request)
        if self.survey.total is not None:
            return int(MOST_REQUESTS * in_turn)
        return int(MOST_REQUESTS * in_turn) - 1 if self.survey.is_even else int(in_turn)

    def _pages(self, estimate: float) -> float:
        """Return how many pages the list has, by the portal's `total`, or else at least."""
        if self.survey.total is not None:
            return max(self.rows, self.survey.total) / PAGE_SIZE
        came = self.rows / PAGE_SIZE
        return estimate if self.survey.is_even else min(estimate, _MORE_PAGES + _MOST_ESTIMATED * came)

    def left(self, parts: Sequence[Piece], sent: int) -> int:
        """Return how many requests may be sent after so many were sent."""
        return self.planned(self._estimate(parts)) - sent

    def share(self, parts: Sequence[Piece], sent: int, most: int) -> float:
        """Return how many pages each request has if `most` lanes, or as many requests as may be sent, share them."""
        rest = self._rest([piece for piece in parts if not piece.is_on_way])
        return max(self._rest(parts) / most, rest / max(1, self.left(parts, sent)))

    def wanted(self, piece: Piece, parts: Sequence[Piece]) -> int:
        """Return how many pages to request so that a piece is read to its end."""
        last = self.survey.last
        if piece.is_dense(last):  # no more rows than ids; the list itself ends with a page that is not full
            return max(0, piece.ids(last) - (piece.until is not None)) // PAGE_SIZE + 1
        reserve = _RESERVE if self.survey.is_dense or piece.left is not None else _MORE_RESERVE
        return int(min(max(piece.least, piece.rest(last) * reserve), self._most_pages(piece, parts))) + 1

    def spare(self, parts: Sequence[Piece], sent: int) -> float:
        """Return how many requests may be sent besides those that the pieces need after so many were sent.

        Each gap between rows that came needs one request that may not be full, wherever its rows are.
        """
        size, estimate, needed = self.pages_per_request, self._estimate(parts), 0.0
        rest = self._pages(estimate) - self.rows / PAGE_SIZE
        for gap in _gaps(parts):
            on_way = gap[0].asked if gap[0].is_on_way else 0
            if (self.survey.total is None and self.survey.is_even) or all(piece.left is not None for piece in gap):
                left = self._rest(gap)
                rest -= left
                needed += math.ceil(max(0.0, left - on_way) / size)
            else:
                needed += 1 - on_way / size
        return self.planned(estimate) - sent - needed - max(0.0, rest) / size

    def _estimate(self, parts: Sequence[Piece]) -> float:
        return self.rows / PAGE_SIZE + self._rest(parts)

    def _rest(self, parts: Sequence[Piece]) -> float:
        return sum(piece.rest(self.survey.last) for piece in parts)

    def _most_pages(self, piece: Piece, parts: Sequence[Piece]) -> float:
        """Return how many pages a piece has at most, if the portal counted right."""
        others = sum(other.left or 0 for other in parts if other is not piece)
        rows = -1 if self.survey.total is None else self.survey.total - self.rows - others
        return rows / PAGE_SIZE if rows >= 0 else math.inf


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

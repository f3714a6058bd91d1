"""The budget of a list: how many requests may be sent, so that they are few more than one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import attrs

from b24batch.lists.page_commands import PAGE_SIZE
from b24batch.lists.piece import Piece
from b24batch.lists.reading import MOST_REQUESTS, requests_in_turn
from b24batch.lists.survey import Survey

#: So many times the estimated pages are requested, and one more.
_RESERVE = 1.2
#: Where the rows are not counted, a request has at most so many times the pages that came.
_MOST_GROWTH = 8


@attrs.define(eq=False)
class Budget:
    """Tells how many requests a list may take, and how many it still needs, wherever in the pieces its rows are.

    It rests on what is known and on no estimate: the portal's `total`, or else the rows that came.

    Attributes:
        survey: What is known of where the rows are.
        pages_per_request: Maximum number of pages in one request.
        rows: The number of rows that came.
    """

    survey: Survey
    pages_per_request: int
    rows: int = attrs.field(default=0, init=False)

    def planned(self, more: int = 0) -> int:
        """Return how many requests a list may take of which the known pages exist, and so many more."""
        return int(MOST_REQUESTS * requests_in_turn(self._pages + more, self.pages_per_request))

    @property
    def _pages(self) -> int:
        """The number of pages that are known to exist; one after the other, the last one is not full."""
        return max(self.rows, self.survey.total or 0) // PAGE_SIZE + 1

    def share(self, parts: Sequence[Piece], sent: int, most: int) -> float:
        """Return how many pages each request has if `most` lanes, or as many requests as may be sent, share them."""
        rest = self._rest([piece for piece in parts if not piece.is_on_way])
        share = max(self._rest(parts) / most, rest / max(1, self.planned() - sent))
        return share if self.survey.total is not None else min(share, _MOST_GROWTH * self._pages)

    def wanted(self, piece: Piece, parts: Sequence[Piece]) -> int:
        """Return how many pages to request so that a piece is read to its end."""
        if piece.is_dense(self.survey.last):
            return self._pages_to_end([piece])
        return int(min(max(piece.least, _RESERVE * self._rest([piece])), self._most_pages(piece, parts))) + 1

    def spare(self, parts: Sequence[Piece], sent: int) -> float:
        """Return how many requests may be sent besides those that the pieces need after so many were sent.

        Each gap between rows that came needs one request that may not be full, wherever its rows are.
        """
        gaps = list(_gaps(parts))
        return self._spare_uncounted(gaps, sent) if self.survey.total is None else self._spare_counted(gaps, sent)

    def _spare_uncounted(self, gaps: Sequence[Sequence[Piece]], sent: int) -> int:
        """Return the spare requests in the worst case.

        Some gaps end within what is on its way, with no more rows. In each other one, all those pages are full, and
        allow for more requests; it needs one more, and then again: a full request allows for another.
        """
        asked = sorted(gap[0].asked for gap in gaps)
        return min(self.planned(sum(asked[:still])) - sent - still for still in range(len(asked) + 1))

    def _spare_counted(self, gaps: Sequence[Sequence[Piece]], sent: int) -> float:
        size, needed = self.pages_per_request, 0.0
        rest = (max(self.rows, self.survey.total or 0) - self.rows) / PAGE_SIZE
        for gap in gaps:
            if all(piece.left is not None for piece in gap):
                rest -= self._rest(gap)
                needed += math.ceil(max(0, self._pages_to_end(gap) - gap[0].asked) / size)
            else:
                needed += 1 - gap[0].asked / size
        return self.planned() - sent - needed - max(0.0, rest) / size

    def _pages_to_end(self, gap: Sequence[Piece]) -> int:
        """Return after how many pages of counted rows it is certain that a gap is read to its end.

        If the last row fills a page, that shows only in the next. Where rows are dense, there are no more than ids.
        """
        if not all(piece.is_dense(self.survey.last) for piece in gap):
            return int(self._rest(gap)) + 1
        ids = sum(piece.ids(self.survey.last) for piece in gap)
        return (ids - (gap[-1].until is not None)) // PAGE_SIZE + 1

    def _rest(self, parts: Sequence[Piece]) -> float:
        return sum(piece.rest(self.survey.last) for piece in parts)

    def _most_pages(self, piece: Piece, parts: Sequence[Piece]) -> float:
        """Return how many pages a piece has at most: by the portal's count, if that is right, or by its ids."""
        others = sum(other.left or 0 for other in parts if other is not piece)
        rows = -1 if self.survey.total is None else self.survey.total - self.rows - others
        ids = math.inf if piece.until is None else piece.ids(None)
        return min(rows if rows >= 0 else math.inf, ids) / PAGE_SIZE


def begins_gap(parts: Sequence[Piece], place: int) -> bool:
    """Return whether a piece that is not done is not read along with the piece before it."""
    return parts[place - 1].is_done or not parts[place].is_blank


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

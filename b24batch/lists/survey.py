"""The survey of a list: single pages that show from where to where its ids go, and where in between its rows are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import attrs

from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.errors import UsageError
from b24batch.lists.packed import unpack
from b24batch.lists.page_commands import PAGE_SIZE, encode_alone, encode_for_batch, name_page
from b24batch.lists.piece import Piece

#: Where a page is a request of its own, the last id is looked for after so many pages.
_PAGES_BEFORE = 4
#: Rows are spread unevenly if one page reaches so many times as far as another.
_UNEVEN = 2.0
#: Of evenly spread rows, so many single pages are read, or one for each full request: more would take longer.
_PROBES = 7
#: Of others, so many times as many as pieces can be cut, and at most so many: then some lie where the rows are.
_MORE, _MOST_PROBES = 3, 24

#: A piece of which a single page came, and the rows behind its start as the portal counted them, or None.
Probe: TypeAlias = tuple[Piece, int | None]


@attrs.frozen(eq=False)
class Asked:
    """What one request asks for.

    Attributes:
        piece: The piece.
        pages: The number of its pages.
        beside: Pieces of which a single page was requested as well, to learn where the rows are.
    """

    piece: Piece
    pages: int
    beside: Sequence[Piece] = ()


@attrs.define(eq=False)
class Survey:
    """What is known of where the rows of a list are. It only decides what is read when, never what belongs to the list.

    Attributes:
        last: The last place where a row is known to be; None if that is not known.
        is_over: Whether nothing more is looked for.
        total: The number of rows of the list, as the portal counted them; None if it did not.
        is_even: Whether the rows seem to be spread evenly.
    """

    last: int | None = attrs.field(default=None, init=False)
    is_over: bool = attrs.field(default=False, init=False)
    total: int | None = attrs.field(default=None, init=False)
    is_even: bool = attrs.field(default=False, init=False)

    def to_last(self, piece: Piece, pages_per_request: int) -> tuple[int, list[Piece]]:
        """Return how many pages of `piece` to request, and the list from its other end, to learn its last id."""
        pages = 1 if pages_per_request > 1 else 0
        if not pages and piece.read < _PAGES_BEFORE:
            return 0, []
        return pages, [Piece(piece.way.reverse())]

    def between(self, piece: Piece, most: int, pages_per_request: int) -> tuple[int, list[Piece]]:
        """Return how many pages of `piece` to request, and up to `most` pieces evenly between its place and the end."""
        self.is_over = True
        start, rest = piece.way.reached or 0, piece.rest(self.last)
        whole, enough = (self.last or 0) - start, max(_PROBES, int(rest / pages_per_request))
        number = min(most, enough) if self.is_even else min(_MORE * most, _MOST_PROBES)
        number = min(number, int(rest / 2), pages_per_request - 1)
        return 1, [Piece(piece.way.behind(start + whole * n // (number + 1))) for n in range(1, number + 1)]

    def commands(self, piece: Piece, pages: int, others: list[Piece]) -> list[EncodedCommand] | None:
        """Return the commands for the next page of each; None if a batch would change them."""
        if not pages:
            return [encode_alone(_counted(others[0].way.page()))]
        try:
            calls = [piece.way.page(), *(_counted(other.way.page()) for other in others)]
            return [encode_for_batch(name_page(place), page) for place, page in enumerate(calls)]
        except UsageError:
            return None

    def learn_last(self, piece: Piece, reverse: Piece, total: int | None) -> None:
        """Learn the last place from the first page of the list from its other end."""
        if not reverse.pages:
            self.is_over = True
            return
        self.last = piece.way.place(unpack(reverse.pages[0])[0])
        ids = max(0, self.last - (piece.way.reached or self.last))
        if ids:
            piece.reopen()
        if total is not None and 0 <= total - piece.rows <= ids:  # otherwise the portal counted wrong
            self.total, piece.left = total, total - piece.rows
            spans = piece.span, reverse.span, ids / max(1, piece.left) * PAGE_SIZE
            self.is_even = max(spans) < _UNEVEN * min(spans)
        piece.span = (piece.span + reverse.span) / 2

    def choose(self, others: Sequence[Probe], pages_per_request: int, most: int) -> list[Probe]:
        """Return as many of the single pages as the list may be cut at, so that it needs at most `most` requests."""
        fit = (kept for kept in self._select(others) if self._count_requests(kept, pages_per_request) <= most)
        return next(fit, [])

    def _select(self, others: Sequence[Probe]) -> Iterator[list[Probe]]:
        """Yield these pages, then fewer and fewer of them, with about as many rows from one to the next."""
        behind = [total or 0 for _, total in others]
        for number in range(len(others), 0, -1):
            wanted = [(self.total or 0) * n // (number + 1) for n in range(1, number + 1)]
            yield [others[place] for place in sorted({_find_nearest(behind, rows) for rows in wanted})]

    def _count_requests(self, others: Sequence[Probe], pages_per_request: int) -> float:
        """Return how many requests the pieces between these pages need, each of which may be a full page."""
        behind = [self.total, *(total for _, total in others), 0]
        rests = [_minus(_minus(one, other), PAGE_SIZE) for one, other in pairwise(behind)]
        pages = [math.inf if rest is None else max(0, rest // PAGE_SIZE + 1) for rest in rests]
        return math.inf if math.inf in pages else sum(-(-rest // pages_per_request) for rest in pages)

    def divide(self, piece: Piece, others: Sequence[Probe]) -> list[Piece]:
        """Return the pieces of the list, cut where single pages were read; with the portal's `total` behind each."""
        found = [piece, *(other for other, _ in others)]
        behind = [self.total, *(total for _, total in others)]
        for one, following in pairwise(found):
            one.end(following.start)
        parts: list[Piece] = []
        for place, one in enumerate(found):
            one.left = _minus(_minus(behind[place], one.rows), [*behind, 0][place + 1])
            parts.append(one)
            if not one.is_done:
                parts.append(one.leave())
                one.close()
        return parts


def _find_nearest(numbers: Sequence[int], wanted: int) -> int:
    return min(range(len(numbers)), key=lambda place: abs(numbers[place] - wanted))


def _counted(page: Command) -> Command:
    """Return the call for a page with which the portal also counts the rows."""
    return Command(page.method, {**page.params, "start": 0} if isinstance(page.params, dict) else page.params)


def _minus(number: int | None, other: int | None) -> int | None:
    return None if number is None or other is None else number - other

"""The pieces of a list by cursor: where they begin and end, and which of them is read next."""

from __future__ import annotations

import math

import attrs

from b24batch.calls.encoded import EncodedCommand
from b24batch.errors import SdkError
from b24batch.lists.budget import Budget, begins_gap
from b24batch.lists.flight import Flight, Order
from b24batch.lists.piece import Piece
from b24batch.lists.reading import crashed_together
from b24batch.lists.survey import Asked, Probe, Survey

#: A piece has at least so many pages where a request has fewer: up to one page is read twice at its end.
_SMALL = 8
#: A piece is not cut off below so many pages.
_SMALLEST = 4
#: A piece of rows that are not counted is cut off to so much of a request, which then suffices if it has a few more.
_NEARLY = 0.93


@attrs.define(eq=False)
class Pieces:
    """The pieces that were not returned yet, in the order of the list; at most `most` of them were begun.

    The list begins as one piece. Once the survey shows where the rows are, the first piece that can be read is cut off
    to the size of a request and read. What the request did not reach becomes a piece of its own.

    Attributes:
        parts: The pieces.
        most: The number of requests on their way at once.
        pages_per_request: Maximum number of pages in one request.
        survey: Finds out where the rows are.
        budget: Tells how many requests may be sent.
    """

    parts: list[Piece]
    most: int
    pages_per_request: int
    survey: Survey = attrs.field(factory=Survey, init=False)
    budget: Budget = attrs.field(init=False)
    _size: int = attrs.field(default=1, init=False)

    def __attrs_post_init__(self) -> None:
        self.budget = Budget(self.survey, self.pages_per_request)

    def begin(self, flight: Flight[Asked]) -> None:
        """Send what can be sent, from the front of the list."""
        while flight.has_room and (piece := self._next(flight)) is not None:
            asked, commands = self._survey(piece, flight) or self._ask(piece, flight)
            piece.is_begun, piece.is_on_way, piece.asked = True, True, asked.pages
            flight.send(asked, commands, once=piece.is_alone)
            piece.is_alone = False

    def take(self, order: Order[Asked], flight: Flight[Asked]) -> None:
        """Take what a request returned."""
        asked, piece = order.part, order.part.piece
        is_known = piece.asked == self._size
        piece.is_on_way, piece.least, piece.asked = False, 0 if is_known else 2 * piece.asked, 0
        if order.error is not None:
            self._take_error(order.error, order, flight)
            return
        before, rows = piece.read, piece.rows
        self._join(piece)
        error = piece.take(order.outcomes[: asked.pages], flight.requests.mask, self.survey.last)
        if piece.read > before:
            self.budget.rows += piece.rows - rows
            flight.progress()
            self._resize(order)
        if error is not None:
            flight.fail(error)
        elif asked.beside:
            self._learn(order, flight)
        self._part(piece)

    def drop_first(self) -> None:
        """Drop the first piece, all of whose rows were returned."""
        del self.parts[0]

    def _next(self, flight: Flight[Asked]) -> Piece | None:
        """Return the first piece that may be read."""
        kept = sum(piece.is_begun for piece in self.parts)
        spare = self.budget.spare(self.parts, flight.sent)
        for place, piece in enumerate(self.parts):
            if piece.is_done or piece.is_on_way:
                continue
            is_free = begins_gap(self.parts, place) or spare >= (1 if piece.left is None else 0)
            if piece.is_begun or place == 0 or (kept < self.most and is_free):
                return piece
        return None

    def _survey(self, piece: Piece, flight: Flight[Asked]) -> tuple[Asked, list[EncodedCommand]] | None:
        """Return a request that finds out where the rows are; None if that is known, or not worth a request."""
        known = self.survey.last is not None
        self.survey.is_over |= known and (self.survey.total is None or piece.is_dense(self.survey.last))
        if self.survey.is_over:
            return None
        if not known:
            pages, found = self.survey.to_last(piece, self.budget.pages_per_request)
        else:
            most = min(self.most - 1, self.budget.planned() - flight.sent - 2)
            pages, found = self.survey.between(piece, most, self.budget.pages_per_request)
        if not found:
            return None
        commands = self.survey.commands(piece, pages, found)
        if commands is None:
            self.budget.pages_per_request = 1
            return None
        return Asked(piece, pages, found), commands

    def _ask(self, piece: Piece, flight: Flight[Asked]) -> tuple[Asked, list[EncodedCommand]]:
        """Return the next request of a piece, which is cut off to its size."""
        if self.survey.last is None:
            commands = piece.way.ask(1 if piece.is_alone else self._size)
            return Asked(piece, len(commands)), commands
        target = max(self._target(piece, flight), min(self._size, piece.least))
        piece.is_begun = piece.is_on_way = True
        self._cut(piece, target)
        if target < self._size and self.budget.spare(self.parts, flight.sent + 1) < 0:
            self._join(piece)
            self._cut(piece, self._size)
        while piece.left is None and piece.asked < self._size and self.budget.spare(self.parts, flight.sent + 1) < 0:
            piece.asked += 1
        commands = piece.way.ask(1 if piece.is_alone else piece.asked)
        return Asked(piece, len(commands)), commands

    def _cut(self, piece: Piece, target: int) -> None:
        """Cut a piece off to so many pages, and decide how many to request."""
        if self.survey.total is None:
            target = min(target, math.ceil(_NEARLY * self._size))
        if piece.rest(self.survey.last) > target + _SMALLEST:
            self.parts.insert(self.parts.index(piece) + 1, piece.cut(target, self.survey.last))
        piece.asked = min(self._size, self.budget.wanted(piece, self.parts))

    def _target(self, piece: Piece, flight: Flight[Asked]) -> int:
        """Return how many pages of a piece one lane should read."""
        if self._size < _SMALL:
            return _SMALL - piece.read
        rest = piece.rest(self.survey.last)
        if piece.left is not None and rest < self._size + _SMALLEST and not piece.is_dense(self.survey.last):
            return self._size
        share = self.budget.share(self.parts, flight.sent, self.most)
        return min(self._size, max(_SMALLEST, math.ceil(share)))

    def _learn(self, order: Order[Asked], flight: Flight[Asked]) -> None:
        """Learn from the single pages: first the last place, then where the list is cut."""
        asked, outcomes = order.part, order.outcomes[order.part.pages :]
        for other, outcome in zip(asked.beside, outcomes, strict=True):
            other.take([outcome], flight.requests.mask)
        if self.survey.last is None:
            self.survey.learn_last(asked.piece, asked.beside[0], outcomes[0].total)
            if "thinned" not in asked.piece.way.family.word:
                self._resize(order, self.budget.pages_per_request)
            return
        pairs = zip(asked.beside, outcomes, strict=True)
        distinct = {other.way.reached: (other, outcome.total) for other, outcome in pairs if other.pages}
        self._divide(asked.piece, list(distinct.values()), flight)

    def _divide(self, piece: Piece, others: list[Probe], flight: Flight[Asked]) -> None:
        """Cut the list where single pages were read, but not into more pieces than there may be requests."""
        kept = self.survey.choose(others, self._size, self.budget.planned() - flight.sent)
        rows = piece.rows
        self.parts = self.survey.divide(piece, kept)
        self.budget.rows += piece.rows - rows + sum(other.rows for other, _ in kept)

    def _join(self, piece: Piece) -> None:
        """Join a piece with those behind it of which nothing was requested: perhaps the request reaches into them."""
        place = self.parts.index(piece) + 1
        while place < len(self.parts) and self.parts[place].is_blank:
            piece.join(self.parts.pop(place))

    def _part(self, piece: Piece) -> None:
        """Make what was not reached a piece of its own, so that another lane can read it."""
        is_cut = self.survey.is_over and self.survey.last is not None
        if is_cut and not piece.is_done and piece.read > max(0, _SMALL - self._size):
            self.parts.insert(self.parts.index(piece) + 1, piece.leave())
            piece.close()

    def _resize(self, order: Order[Asked], most: int | None = None) -> None:
        """Set the size of the next requests: as many pages as the portal answers in time."""
        piece = order.part.piece
        is_broken = not piece.is_done and not piece.way.unbroken
        grown = 1 if is_broken else most or 2 * max(self._size, order.part.pages)
        self._size = max(1, int(min(self.budget.pages_per_request, grown, order.in_time)))

    def _take_error(self, error: SdkError, order: Order[Asked], flight: Flight[Asked]) -> None:
        if not crashed_together(error, order.size):
            flight.fail(error)
            return
        self.budget.pages_per_request, self._size = order.size // 2, 1
        order.part.piece.is_alone = self.survey.is_over = True

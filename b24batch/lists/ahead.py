"""Pages by ``start`` that are requested ahead: several requests of a counted list on their way at once."""

from __future__ import annotations

import math
from collections import deque

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import SdkError
from b24batch.lists.flight import Flight, Order
from b24batch.lists.offsets import ByStart
from b24batch.lists.packed import pack
from b24batch.lists.page_commands import PAGE_SIZE
from b24batch.lists.reading import MOST_REQUESTS, crashed_together, requests_in_turn, take_pages


@attrs.define(eq=False)
class Offset:
    """Where a request begins.

    Attributes:
        start: The number of rows before its first page.
        is_ahead: Whether it was sent before the pages in front of it came.
        is_landed: Whether it finished.
    """

    start: int
    is_ahead: bool
    is_landed: bool = attrs.field(default=False, init=False)


@attrs.define(eq=False)
class Front:
    """The rows that came in order.

    Attributes:
        pages: Those that were not returned yet, packed.
        is_done: Whether all rows came.
    """

    pages: list[JsonValue] = attrs.field(factory=list, init=False)
    is_done: bool = attrs.field(default=False, init=False)


@attrs.define(eq=False)
class Ahead:
    """Requests pages ahead, up to the portal's `total`, and takes them in order.

    An answer counts only if the page before it leads to its `start`, and if the portal still counts as many rows: if
    some were added, the last row of the page before may have moved, and would be missed. Otherwise the pages from there
    on are requested again, and fewer ahead. So nothing but the time depends on what finishes first.

    Attributes:
        way: The way through the list.
        most: The number of requests on their way at once.
        pages_per_request: Maximum number of pages in one request.
        left: The number of rows still to return; None for all.
        parts: The rows that came.
    """

    way: ByStart
    most: int
    pages_per_request: int
    left: int | None
    parts: list[Front] = attrs.field(factory=lambda: [Front()], init=False)
    _orders: deque[Order[Offset]] = attrs.field(factory=deque, init=False)
    _planned: int = attrs.field(default=0, init=False)
    _window: int = attrs.field(init=False)
    _size: int = attrs.field(default=1, init=False)
    _grown: int = attrs.field(init=False)
    _total: int | None = attrs.field(default=None, init=False)
    _is_alone: bool = attrs.field(default=False, init=False)
    _is_taking: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._window, self._grown = self.most, self.pages_per_request

    def begin(self, flight: Flight[Offset]) -> None:
        """Send what can be sent: the next request, and others ahead of it."""
        while flight.has_room and self._has_next:
            offset = Offset(self._planned, bool(self._orders))
            commands = self.way.ask(1 if self._is_alone else self._count_pages(flight.sent), self._planned)
            self._orders.append(flight.send(offset, commands, once=self._is_alone))
            self._planned += self.way.step * len(commands)
            self._is_alone = False

    def take(self, order: Order[Offset], flight: Flight[Offset]) -> None:
        """Take what came in order; nothing more once an interrupt ended this in between."""
        order.part.is_landed = True
        if self._is_taking:
            return
        self._is_taking = True
        while self._orders and self._orders[0].part.is_landed:
            self._take_next(self._orders.popleft(), flight)
        self._planned = self._planned if self._orders else self.way.start
        self._is_taking = False

    def drop_first(self) -> None:
        """Drop the rows that came: all were returned."""
        self.parts.clear()

    @property
    def _has_next(self) -> bool:
        """Whether the next request is known, and the rows of no more than `most` requests are kept."""
        if not self._orders:
            return not self.parts[0].is_done
        kept = len(self._orders) + math.ceil(len(self.parts[0].pages) / self.pages_per_request)
        return kept < self._window and self._planned < self._end and not any(map(_failed, self._orders))

    @property
    def _end(self) -> int:
        """The number of rows that are known to be needed, including those before the next page to take."""
        if not self.way.step or self._is_alone:
            return 0
        return self.way.total if self.left is None else min(self.way.total, self.way.start + self.left)

    def _count_pages(self, sent: int) -> int:
        """Return the number of pages of the next request, so that there are not many more than one after the other."""
        if self._planned >= self._end:
            return self._size if self.left is None else min(self._size, math.ceil(self.left / PAGE_SIZE))
        pages, all_pages = math.ceil((self._end - self._planned) / self.way.step), self._end / self.way.step
        planned = int(MOST_REQUESTS * requests_in_turn(all_pages, self.pages_per_request)) - sent
        return min(self._size, math.ceil(pages / max(1, min(self.most, planned))))

    def _take_next(self, order: Order[Offset], flight: Flight[Offset]) -> None:
        if order.part.start != self.way.start or self._is_outdated(order):
            self._restart()
        elif order.error is not None and crashed_together(order.error, order.size):
            self.pages_per_request, self._size, self._is_alone = order.size // 2, 1, True
            self._restart()
        else:
            error = order.error or self._read(order, flight)
            if error is not None:
                flight.fail(error)
            if error is not None or self.parts[0].is_done or not self.way.unbroken:
                self._restart()
            else:
                self._window = min(self.most, self._window * 2)
            self._resize(order)

    def _is_outdated(self, order: Order[Offset]) -> bool:
        """Return whether rows were added or deleted between this request, sent ahead, and the pages before it."""
        first = order.outcomes[0] if order.outcomes else None
        return order.part.is_ahead and first is not None and first.error is None and first.total != self._total

    def _read(self, order: Order[Offset], flight: Flight[Offset]) -> SdkError | None:
        """Take the pages of one request, up to one after which the others are void; return its error or None."""
        front = self.parts[0]
        try:
            for outcome, rows in zip(
                order.outcomes, take_pages(self.way, order.outcomes, flight.requests.mask), strict=False
            ):
                flight.progress()
                self._total = outcome.total
                if rows:
                    front.pages.append(pack(rows[: self.left]))
                self.left = None if self.left is None else max(0, self.left - len(rows))
                front.is_done = self.way.ended or self.left == 0
                if front.is_done:
                    break
        except SdkError as error:
            return error
        return None

    def _restart(self) -> None:
        """Drop what was requested ahead, and request less ahead."""
        self._orders.clear()
        self._window = 1

    def _resize(self, order: Order[Offset]) -> None:
        """Set the size of the next requests: as many pages as the portal answers in time."""
        if not order.outcomes:
            return
        self._grown = min(self.pages_per_request, self._grown * 2) if self.way.unbroken else 1
        counted = self._grown if self._end else min(self._grown, 2 * order.size)
        self._size = max(1, int(min(self.pages_per_request, counted, order.in_time)))


def _failed(order: Order[Offset]) -> bool:
    return order.error is not None or any(outcome.error is not None for outcome in order.outcomes)

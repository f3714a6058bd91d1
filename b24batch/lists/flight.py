"""The requests of a list that are on their way at once, and the waits that hold all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, TypeVar

import attrs

from b24batch.calls.chunks import Chunk, cut
from b24batch.calls.encoded import EncodedCommand
from b24batch.clock import Clock
from b24batch.errors import OperatingLimitExceeded, SdkError
from b24batch.lists.packed import pack_outcomes
from b24batch.lists.reading import SLOW_REQUEST
from b24batch.results import AjaxResult
from b24batch.runs.gate import Stopped
from b24batch.runs.lanes import Lanes, Sending
from b24batch.runs.operating import Waited
from b24batch.runs.requests import Requests

_Part = TypeVar("_Part")


@attrs.define(eq=False)
class Order(Generic[_Part]):
    """A request for pages.

    Attributes:
        part: The part of the list that asks.
        chunk: The pages.
        seconds: How long it took.
        outcomes: The outcomes of its pages; empty if it failed as a whole.
        error: The error of the request as a whole.
    """

    part: _Part
    chunk: Chunk
    seconds: float = attrs.field(default=0.0, init=False)
    outcomes: list[AjaxResult] = attrs.field(factory=list, init=False)
    error: SdkError | None = attrs.field(default=None, init=False)

    @property
    def size(self) -> int:
        """The number of pages."""
        return len(self.chunk.commands)

    @property
    def in_time(self) -> float:
        """The number of pages that the portal would have answered in time."""
        return SLOW_REQUEST * self.size / self.seconds if self.seconds > 0 else math.inf


@attrs.define(eq=False)
class Flight(Generic[_Part]):
    """The requests on their way. Everything but sending happens on the caller's thread.

    Attributes:
        requests: Sends a request.
        lanes: The threads that do.
        repeatable: Whether a request may be sent again if its answer was lost.
        sent: The number of requests so far.
        failure: The error that ends the list: nothing more is sent.
    """

    requests: Requests
    lanes: Lanes
    repeatable: bool
    sent: int = attrs.field(default=0, init=False)
    failure: SdkError | None = attrs.field(default=None, init=False)
    _on_way: dict[Sending, Order[_Part]] = attrs.field(factory=dict, init=False)
    _until: float = attrs.field(default=float("-inf"), init=False)
    _waited: Waited = attrs.field(factory=Waited, init=False)

    @property
    def has_room(self) -> bool:
        """Whether another request may be sent now."""
        return self.failure is None and len(self._on_way) < self.lanes.most and self._clock.monotonic() >= self._until

    @property
    def is_over(self) -> bool:
        """Whether the list has failed, and nothing is on its way any more."""
        return self.failure is not None and not self._on_way

    def send(self, part: _Part, commands: list[EncodedCommand], *, once: bool = False) -> Order[_Part]:
        """Send a request on a lane and return it; with `once` it is not sent again if its answer was lost."""
        chunk, repeatable, request_id = next(cut(commands)), self.repeatable and not once, self.requests.take_id()
        order = Order(part, chunk)
        call = partial(self.requests.send, chunk, halt=True, repeatable=repeatable, request_id=request_id)
        self.lanes.reserve(len(self._on_way))
        sending = self.lanes.start(lambda claim: self._measure(order, partial(call, claim=claim)))
        self._on_way[sending] = order
        self.sent += 1
        return order

    def land(self) -> Order[_Part] | None:
        """Wait for the next request to finish and return it; None at the end of a wait for operating time."""
        now = self._clock.monotonic()
        if not self._on_way:
            self._clock.sleep(max(now, self._until) - now)
            return None
        sending = self.lanes.finish_next(self._until if self._until > now else float("inf"))
        return None if sending is None else self._landed(sending)

    def fail(self, error: SdkError) -> None:
        """Begin no further request; wait for operating time instead, if that is all and it does not take too long."""
        if isinstance(error, OperatingLimitExceeded) and self._hold(error):
            return
        self.failure = self.failure or error
        self.lanes.close()

    def progress(self) -> None:
        """Note that a page came: the next wait for operating time is a new one."""
        self._waited = Waited()

    def stop(self, *, wait: bool) -> Iterator[Order[_Part]]:
        """Send nothing more; with `wait` wait up to 5 seconds and yield the requests that finished."""
        self._until = float("inf")  # no wait is announced any more
        self.lanes.stop(list(self._on_way) if wait else [])
        for sending in [sending for sending in self._on_way if sending.is_done and sending.error is None]:
            yield self._landed(sending)

    def _measure(self, order: Order[_Part], call: Callable[[], list[AjaxResult]]) -> list[AjaxResult]:
        """Send a request, on a lane's thread, note how long it took, and pack its outcomes."""
        began = self._clock.monotonic()
        rows = call()
        order.seconds = self._clock.monotonic() - began
        pack_outcomes(rows)
        return rows

    def _landed(self, sending: Sending) -> Order[_Part]:
        order, error = self._on_way.pop(sending), sending.error
        if isinstance(error, OperatingLimitExceeded):
            order.outcomes = [AjaxResult(order.chunk.commands[0].command, "failed", error=error)]
        elif isinstance(error, SdkError):
            order.error = error
        elif error is not None and not isinstance(error, Stopped):
            raise error
        else:
            order.outcomes = sending.rows
        return order

    def _hold(self, error: OperatingLimitExceeded) -> bool:
        """Hold all requests until the method may be called again; return False if that takes too long."""
        now = self._clock.monotonic()
        if now < self._until:
            return True
        wait = self.requests.plan_wait([error.method], self._waited)
        if wait is None:
            return False
        self._until = now + wait.seconds
        self.requests.transport.announce(wait)
        return True

    @property
    def _clock(self) -> Clock:
        return self.requests.clock

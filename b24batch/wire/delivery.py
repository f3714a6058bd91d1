"""The delivery of one request: how long it may still take, and whether any of it may have left this machine."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.define(eq=False)
class Delivery:
    """One request on its way. It travels with the request as its time-outs, so that no thread or greenlet shares it.

    Attributes:
        monotonic: Tells the time in seconds.
        deadline: Seconds for the whole request, counted from now.
        sent: Whether any of it may have left. True until an adapter that watches its connections takes the request.
        ends: When the deadline passes, by `monotonic`.
    """

    monotonic: Callable[[], float]
    deadline: float
    sent: bool = True
    ends: float = attrs.field(init=False)

    @ends.default
    def _end(self) -> float:
        return self.monotonic() + self.deadline

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.monotonic() >= self.ends

    def timeouts(self, connect: float, read: float) -> tuple[Timeout, Timeout]:
        """Return the time-outs to hand over to requests: seconds to connect, and between two bytes."""
        return Timeout(min(connect, self.deadline), self), Timeout(min(read, self.deadline), self)


class Timeout(float):
    """Seconds for one step of a request, which know the delivery that they are part of."""

    delivery: Delivery

    def __new__(cls, seconds: float, delivery: Delivery) -> Timeout:
        """Return `seconds` as a time-out of a step of `delivery`."""
        timeout = super().__new__(cls, seconds)
        timeout.delivery = delivery
        return timeout


def delivery_of(timeout: object) -> Delivery | None:
    """Return the delivery that a time-out, or a pair of them, is part of; None for any other time-out."""
    if isinstance(timeout, tuple) and timeout:
        timeout = timeout[0]
    return timeout.delivery if isinstance(timeout, Timeout) else None


def left_of(timeout: float | None) -> float | None:
    """Return the seconds of a time-out, but no more than its delivery has left.

    Raises:
        TimeoutError: The deadline has passed.
    """
    if not isinstance(timeout, Timeout):
        return timeout
    left = timeout.delivery.ends - timeout.delivery.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of the request has passed")
    return min(timeout, left)

"""The delivery of one request: how much time is left for it, and whether any of it may have been sent."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.define(eq=False)
class Delivery:
    """One request in progress. It is passed along in the request's timeouts, so no thread or greenlet shares it.

    Attributes:
        monotonic: Returns the time in seconds.
        deadline: Seconds for the whole request, counted from now.
        public_only: Whether to connect only to a public address.
        sent: Whether any of it may have been sent. True until an adapter that tracks its connections gets the request.
        ends: The time of the deadline, by `monotonic`.
    """

    monotonic: Callable[[], float]
    deadline: float
    public_only: bool
    sent: bool = True
    ends: float = attrs.field(init=False)

    @ends.default
    def _end(self) -> float:
        return self.monotonic() + self.deadline

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.monotonic() >= self.ends

    def make_timeouts(self, connect: float, read: float) -> tuple[Timeout, Timeout]:
        """Return the timeouts to pass to requests: seconds to connect, and between two bytes."""
        return Timeout(min(connect, self.deadline), self), Timeout(min(read, self.deadline), self)


class Timeout(float):
    """A timeout in seconds for one step of a request, with a reference to its delivery."""

    delivery: Delivery

    def __new__(cls, seconds: float, delivery: Delivery) -> Timeout:
        """Return `seconds` as a timeout of a step of `delivery`."""
        timeout = super().__new__(cls, seconds)
        timeout.delivery = delivery
        return timeout


def get_delivery(timeout: object) -> Delivery | None:
    """Return the delivery of a timeout or a pair of timeouts; None for any other timeout."""
    if isinstance(timeout, tuple) and timeout:
        timeout = timeout[0]
    return timeout.delivery if isinstance(timeout, Timeout) else None


def get_time_left(timeout: float | None) -> float | None:
    """Return the seconds of a timeout, but at most the time left for its delivery.

    Raises:
        TimeoutError: The deadline has passed.
    """
    if not isinstance(timeout, Timeout):
        return timeout
    left = timeout.delivery.ends - timeout.delivery.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of the request has passed")
    return min(timeout, left)


def note_sent(error: BaseException, commands: int) -> None:
    """Add to an exception such as Ctrl-C, which stopped a request, a note whether its commands may have run."""
    sent = vars(error).get("request_sent")
    if sent is not None:
        what = "it may" if commands == 1 else f"its {commands} commands may"
        error.add_note(f"the request was sent: {what} have been executed" if sent else "nothing was sent")

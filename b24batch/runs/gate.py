"""The gate of a request: whether it may still be sent, and its entry in the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from b24batch.calls.encoded import EncodedCommand
from b24batch.runs.run_journal import RunJournal
from b24batch.wire.claim import Claim


class Stopped(BaseException):
    """A request was not sent, or not sent again, because its run was stopped."""


@attrs.define(eq=False)
class Gate:
    """The `Claim` of one request.

    Attributes:
        lane: The claim of its lane; None if it is sent on the caller's thread.
        is_over: Tells whether no further request may begin.
        journal: The run's journal; or None.
        request_id: Its ``X-Request-ID``.
        commands: Its commands as the caller passed them.
        is_begun: Whether it was ever sent.
    """

    lane: Claim | None
    is_over: Callable[[], bool]
    journal: RunJournal | None
    request_id: str
    commands: Sequence[EncodedCommand]
    is_begun: bool = attrs.field(default=False, init=False)

    def take(self) -> None:
        """Raise `Stopped` if the request may not be sent; otherwise claim its commands."""
        if not self.is_begun and self.is_over():
            raise Stopped
        if self.lane is not None:
            self.lane.take()
        try:
            if self.journal is not None:
                self.journal.claim(self.request_id, self.commands)
        except BaseException:
            if self.lane is not None:
                self.lane.release()
            raise
        self.is_begun = True

    def release(self) -> None:
        """Record that the request was not executed so far."""
        if self.lane is not None:
            self.lane.release()
        if self.journal is not None:
            self.journal.release(self.request_id)

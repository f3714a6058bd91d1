"""The journal of a file's run, which knows the requests in hand."""

from __future__ import annotations

from collections.abc import Sequence

from b24batch.calls.encoded import EncodedCommand
from b24batch.journal import Journal
from b24batch.results import AjaxResult


class WatchedJournal(Journal):
    """A journal that knows whether stopping the run now would leave commands ``unknown``."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._in_hand: set[str] = set()

    @property
    def is_in_hand(self) -> bool:
        """Whether a request may have been sent and its outcomes are not recorded yet."""
        return bool(self._in_hand)

    def claim(self, request_id: str, commands: Sequence[EncodedCommand]) -> None:
        """Record that a request is about to be sent."""
        self._in_hand.add(request_id)  # before the claim: a signal between them must not interrupt
        try:
            super().claim(request_id, commands)
        except BaseException:
            self._in_hand.discard(request_id)
            raise

    def release(self, request_id: str) -> None:
        """Record that a request was not executed so far."""
        super().release(request_id)
        self._in_hand.discard(request_id)

    def note(self, request_id: str, commands: Sequence[EncodedCommand], rows: Sequence[AjaxResult]) -> None:
        """Record the outcomes of a request."""
        super().note(request_id, commands, rows)
        self._in_hand.discard(request_id)

"""The interface of a run's journal, and the claim that writes to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.results import AjaxResult


@runtime_checkable
class RunJournal(Protocol):
    """Where a run keeps the outcome of each command, so that the same run can be started again and goes on.

    `b24batch.journal.Journal` is one in a file, `b24batch.django.journals.DjangoJournal` one in a project's database.
    `claim` and `release` are called on the thread that sends a request, everything else on the caller's thread.
    """

    def begin(self, portal: str, repeatable: Callable[[Command], bool]) -> None:
        """Take the run. What earlier lives of the run sent without an answer is ``unknown`` from now on.

        Args:
            portal: The portal: its host, or its ``member_id`` with OAuth.
            repeatable: Tells whether a command may safely run twice.

        Raises:
            RunBusy: The run is in use.
            UsageError: The journal is of a run on another portal.
            JournalError: The journal cannot be used.
        """

    def fates(self, commands: Sequence[EncodedCommand]) -> list[AjaxResult | None]:
        """Return the outcome of each command in an earlier life of the run; None if it is to be sent.

        Raises:
            UsageError: The journal has another command under the same name, which ran or may have run.
        """

    def claim(self, request_id: str, commands: Sequence[EncodedCommand]) -> None:
        """Record that a request is about to be sent; durable when it returns. If it raises, nothing is sent."""

    def release(self, request_id: str) -> None:
        """Record that the request was not executed so far; it may be claimed again."""

    def note(self, request_id: str, commands: Sequence[EncodedCommand], rows: Sequence[AjaxResult]) -> None:
        """Record the outcomes of a request; ignored if its claim is no longer this run's."""

    def hold(self, seconds: float) -> None:
        """Keep the run during a wait of so many seconds that is about to begin."""

    def end(self) -> None:
        """Give the run back."""

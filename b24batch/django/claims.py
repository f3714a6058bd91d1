"""The claim of a request in a journal in the project's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from b24batch.calls.encoded import EncodedCommand
from b24batch.django import command_rows
from b24batch.django.lease import Lease
from b24batch.results import AjaxResult


@attrs.define
class Claim:
    """A request of this life of the run. What changes rows needs a transaction.

    Attributes:
        number: Its number in the journal.
        rows: Its commands by their keys.
        once: The keys of those that must not run twice.
        is_open: Whether it may have been sent.
        is_answered: Whether the portal has answered.
    """

    number: int
    rows: dict[str, Any]
    once: list[str]
    is_open: bool = True
    is_answered: bool = False

    def release(self, lease: Lease) -> None:
        """Let the commands be claimed again; those that may run twice can be anyway."""
        mine = lease.commands.filter(key__in=self.once, request=self.number, status="sent")
        mine.update(status="skipped")

    def set_outcomes(self, commands: Sequence[EncodedCommand], outcomes: Sequence[AjaxResult]) -> None:
        """Set what became of the commands."""
        for encoded, outcome in zip(commands, outcomes, strict=True):
            command_rows.set_outcome(self.rows[encoded.name], outcome)
        self.is_answered = any(outcome.http_status is not None for outcome in outcomes)

    def store(self, lease: Lease) -> None:
        """Store the outcomes; if another process has taken the run, those of commands that it has not sent again."""
        if lease.extend(**({"stuck": 0} if self.is_answered else {})):
            command_rows.store(lease.commands, list(self.rows.values()), command_rows.OUTCOME)
        else:
            lease.lock()
            command_rows.store_late(lease.commands, self.rows.values())

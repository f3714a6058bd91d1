"""The claim of a request in a journal in the project's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from b24batch.calls.encoded import EncodedCommand
from b24batch.django import command_rows
from b24batch.django.lease import Lease
from b24batch.journal.noted import SKIPPED, UNKNOWN
from b24batch.results import AjaxResult


@attrs.define
class Claim:
    """A request of this life of the run. What changes rows needs a transaction.

    Attributes:
        number: Its number in the journal.
        rows: Its commands by their keys.
        perhaps: The keys of those that an earlier life may have run already; they may run twice.
        is_open: Whether it may have been sent.
    """

    number: int
    rows: dict[str, Any]
    perhaps: frozenset[str]
    is_open: bool = True

    def release(self, lease: Lease) -> None:
        """Record that it was not executed so far."""
        mine = lease.commands.filter(request=self.number, status="sent")
        for keys, (status, error) in ((self.perhaps, UNKNOWN), (self.rows.keys() - self.perhaps, SKIPPED)):
            mine.filter(key__in=keys).update(status=status, error=error)

    def set_outcomes(self, commands: Sequence[EncodedCommand], outcomes: Sequence[AjaxResult]) -> None:
        """Set what became of the commands."""
        for encoded, outcome in zip(commands, outcomes, strict=True):
            command_rows.set_outcome(self.rows[encoded.name], outcome, perhaps=encoded.name in self.perhaps)

    def store(self, lease: Lease) -> None:
        """Store the outcomes; if another process has taken the run, those of commands that it has not sent again."""
        if lease.extend():
            command_rows.store(lease.commands, list(self.rows.values()), command_rows.NOTED)
        else:
            lease.lock()
            command_rows.store_late(lease.commands, self.rows.values())

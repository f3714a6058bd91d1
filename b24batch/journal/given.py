"""What a caller may give as the journal of a run."""

from __future__ import annotations

import os
from collections.abc import Callable

from b24batch.calls.commands import Command
from b24batch.errors import UsageError
from b24batch.journal.sqlite import Journal
from b24batch.redaction import shown
from b24batch.runs.run_journal import RunJournal


def to_journal(value: object) -> RunJournal:
    """Return the journal that a caller gave: a path, or an object that is one; raise `UsageError` for others."""
    if isinstance(value, str | os.PathLike):
        return _OwnJournal(value)
    if isinstance(value, RunJournal) and not isinstance(value, type):
        return value
    raise UsageError(f"journal: expected a path, a Journal or another RunJournal, got {shown(value)}")


class _OwnJournal(Journal):
    """A journal that only the run knows, so that it is closed at the end."""

    def begin(self, portal: str, repeatable: Callable[[Command], bool]) -> None:
        """Take the run, or close the file."""
        try:
            super().begin(portal, repeatable)
        except BaseException:
            self.close()
            raise

    def end(self) -> None:
        """Give the run back, and close the file."""
        try:
            super().end()
        finally:
            self.close()

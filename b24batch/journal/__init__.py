"""Journals: a run that is started again with the same calls goes on where it was."""

from __future__ import annotations

from b24batch.journal.noted import Noted
from b24batch.journal.sqlite import Journal
from b24batch.runs.run_journal import RunJournal

__all__ = ["Journal", "Noted", "RunJournal"]

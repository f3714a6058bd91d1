"""The lives of a run: each start of it, and what the one before left without an answer."""

from __future__ import annotations

import sqlite3
from typing import Any

from b24batch.errors import JournalError, UsageError
from b24batch.journal import schema
from b24batch.journal.noted import LOST

#: After so many lives that died while the same command was being sent, the run is not started again. Only commands that
#: may run twice are sent again at all.
MOST_DEATHS = 3


def begin_life(database: sqlite3.Connection, portal: str, journal: str, now: float) -> int:
    """Start the next life of the run, and return the number that its first request will have.

    Args:
        database: The journal, in a transaction.
        portal: The portal that the run is on.
        journal: The journal's name, for messages.
        now: The Unix time.

    Raises:
        UsageError: The journal is of a run on another portal.
        JournalError: The run died again and again at the same request.
    """
    (of,) = database.execute("SELECT portal FROM run").fetchone() or (None,)
    if of is None:
        database.execute("INSERT INTO run VALUES (?, ?, 0)", (portal, now))
    else:
        check_portal(journal, of, portal)
    check_deaths(journal, *database.execute(schema.STUCK, (MOST_DEATHS - 1,)).fetchone())
    database.execute(schema.CUT, (LOST, 1))
    database.execute("UPDATE run SET lives = lives + 1")
    (number,) = database.execute(schema.NUMBER).fetchone()
    return int(number)


def end_life(database: sqlite3.Connection) -> None:
    """End a life that did not die: what has no answer is ``unknown``."""
    database.execute(schema.CUT, (LOST, 0))


def read_kept(database: sqlite3.Connection, names: list[str]) -> list[tuple[Any, ...]]:
    """Return what the journal has of the commands with these names, as in `schema.KEPT`."""
    return database.execute(schema.KEPT.format(schema.marks(names)), names).fetchall()


def check_portal(journal: str, of: str, portal: str) -> None:
    """Raise `UsageError` if a journal is not of a run on `portal`."""
    if of != portal:
        raise UsageError(f"{journal} is of a run on {of}, not on {portal}; nothing was sent")


def check_deaths(journal: str, first: int | None, last: int | None) -> None:
    """Raise `JournalError` if there are commands at which the run died too often: their first and last position."""
    if last is not None:
        reason = f"{journal}: the run died {MOST_DEATHS} times running at the same request ({first} to {last})"
        raise JournalError(f"{reason}: look at it, then settle them; nothing was sent")

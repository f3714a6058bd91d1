"""The lives of a run: each start of it, and what the one before left without an answer."""

from __future__ import annotations

import sqlite3
from typing import Any

from b24batch.errors import JournalError, UsageError
from b24batch.journal import schema
from b24batch.journal.noted import LOST, refuse_again

#: After so many lives that died while the same command was being sent, the run is not started again. Only commands that
#: may run twice are sent again at all.
_MOST_DEATHS = 3


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
    elif of != portal:
        raise UsageError(f"{journal} is of a run on {of}, not on {portal}; nothing was sent")
    first, last = database.execute(schema.STUCK, (_MOST_DEATHS - 1,)).fetchone()
    if last is not None:
        reason = f"{journal}: the run died {_MOST_DEATHS} times running at the same request ({first} to {last})"
        raise JournalError(f"{reason}: look at it, then settle them; nothing was sent")
    database.execute(schema.CUT, (LOST, 1))
    database.execute(schema.ASKED)
    database.execute("DELETE FROM temp.asked")
    database.execute("UPDATE run SET lives = lives + 1")
    number: int = database.execute(schema.NUMBER).fetchone()[0]
    return number


def end_life(database: sqlite3.Connection) -> None:
    """End a life that did not die: what has no answer is ``unknown``."""
    database.execute(schema.CUT, (LOST, 0))


def read_kept(database: sqlite3.Connection, names: list[str]) -> list[tuple[Any, ...]]:
    """Return what the journal has of the commands with these names, as in `schema.KEPT`.

    Raises:
        UsageError: This life has asked for one of them before.
    """
    for (name,) in database.execute(schema.WAS_ASKED.format(schema.marks(names)), names):
        raise refuse_again(name)
    database.executemany(schema.ASK, [(name,) for name in names])
    return database.execute(schema.KEPT.format(schema.marks(names)), names).fetchall()

"""The lives of a run: each start of it, and what the one before left without an answer."""

from __future__ import annotations

import sqlite3
from typing import Any

from b24batch.errors import JournalError, UsageError
from b24batch.journal import schema
from b24batch.journal.noted import LOST, refuse_again

#: After so many lives that died without any answer to a request, the run is not started again.
_MOST_STUCK = 3


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
    run = database.execute("SELECT portal, stuck FROM run").fetchone()
    if run is None:
        database.execute("INSERT INTO run VALUES (?, ?, 0, 0)", (portal, now))
        run = portal, 0
    if run[0] != portal:
        raise UsageError(f"{journal} is of a run on {run[0]}, not on {portal}; nothing was sent")
    first, last, cut = database.execute(schema.CUT_PLACES).fetchone()
    stuck = run[1] + 1 if cut else 0
    if stuck >= _MOST_STUCK:
        reason = f"{journal}: the run died {stuck} times running at the same request ({first} to {last})"
        raise JournalError(f"{reason}: look at it, then settle them; nothing was sent")
    database.execute(schema.CUT, (LOST,))
    database.execute(schema.ASKED)
    database.execute("DELETE FROM temp.asked")
    database.execute("UPDATE run SET lives = lives + 1, stuck = ?", (stuck,))
    number: int = database.execute(schema.NUMBER).fetchone()[0]
    return number


def end_life(database: sqlite3.Connection) -> None:
    """End a life that did not die: what has no answer is ``unknown``."""
    database.execute(schema.CUT, (LOST,))
    database.execute("UPDATE run SET stuck = 0 WHERE stuck")


def read_kept(database: sqlite3.Connection, names: list[str]) -> list[tuple[Any, ...]]:
    """Return what the journal has of the commands with these names, as in `schema.KEPT`.

    Raises:
        UsageError: This life has asked for one of them before.
    """
    for (name,) in database.execute(schema.WAS_ASKED.format(schema.marks(names)), names):
        raise refuse_again(name)
    database.executemany(schema.ASK, [(name,) for name in names])
    return database.execute(schema.KEPT.format(schema.marks(names)), names).fetchall()

"""The lives of a run: each start of it, and what the one before left without an answer."""

from __future__ import annotations

import sqlite3

from b24batch.errors import AnswerLost, JournalError, UsageError
from b24batch.journal import schema
from b24batch.journal.noted import CUT_OFF, dump_error

#: After so many lives that died without any answer to a request, the run is not started again.
_MOST_STUCK = 3
#: The error of a command whose run ended before the answer, as JSON.
LOST = dump_error(AnswerLost(CUT_OFF))


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
    check_portal(run[0], portal, journal)
    stuck = count_stuck(run[1], database.execute(schema.CUT_PLACES).fetchone(), journal)
    database.execute(schema.CUT, (LOST,))
    database.execute("UPDATE run SET lives = lives + 1, stuck = ?", (stuck,))
    number: int = database.execute(schema.NUMBER).fetchone()[0]
    return number


def check_portal(noted: str, portal: str, journal: str) -> None:
    """Raise `UsageError` if the journal is of a run on another portal."""
    if noted != portal:
        raise UsageError(f"{journal} is of a run on {noted}, not on {portal}; nothing was sent")


def count_stuck(stuck: int, cut: tuple[int | None, int | None, int], journal: str) -> int:
    """Return how many lives in a row died without an answer to any request.

    Args:
        stuck: Their number at the start of the last life.
        cut: The first and the last position of the commands that it left without an answer, and their number.
        journal: The journal's name, for messages.

    Raises:
        JournalError: There are too many.
    """
    first, last, count = cut
    lives = stuck + 1 if count else 0
    if lives >= _MOST_STUCK:
        reason = f"{journal}: the run died {lives} times running at the same request ({first} to {last})"
        raise JournalError(f"{reason}: look at it, then settle them; nothing was sent")
    return lives


def end_life(database: sqlite3.Connection) -> None:
    """End a life that did not die: what has no answer is ``unknown``."""
    database.execute(schema.CUT, (LOST,))
    database.execute("UPDATE run SET stuck = 0 WHERE stuck")

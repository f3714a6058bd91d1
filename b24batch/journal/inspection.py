"""What a person asks of a journal: how far the run is, and what to do with its unknown commands."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from b24batch.errors import UsageError
from b24batch.journal import schema
from b24batch.redaction import shown
from b24batch.statuses import Status, count_outcomes


def summarize(database: sqlite3.Connection) -> str:
    """Return one line: the number of commands with each outcome, of lives, and the time of the last request."""
    counts = dict(database.execute("SELECT status, count(*) FROM outcomes GROUP BY status").fetchall())
    (lives,) = database.execute("SELECT coalesce(max(lives), 0) FROM run").fetchone()
    (sent,) = database.execute("SELECT max(sent) FROM requests").fetchone()
    return summary_of(counts, lives, None if sent is None else datetime.fromtimestamp(sent))


def summary_of(counts: dict[Status, int], lives: int, sent: datetime | None) -> str:
    """Return a summary's text: commands by their outcome, lives, and the local time of the last request."""
    last = "" if sent is None else f", the last request {sent:%H:%M:%S}"
    words = "1 life" if lives == 1 else f"{lives} lives"
    return f"{count_outcomes(counts)}; {words}{last}"


def to_keys(keys: Iterable[str], *, executed: bool) -> list[str]:
    """Return the keys for `settle`; raise `UsageError` for invalid arguments."""
    given = [keys] if isinstance(keys, str) else list(keys)
    for key in given:
        if not isinstance(key, str):
            raise UsageError(f"keys: expected names, or positions as text, got {shown(key)}")
    if not isinstance(executed, bool):
        raise UsageError(f"executed: expected True or False, got {shown(executed)}")
    return given


def settle(database: sqlite3.Connection, keys: list[str], journal: str, *, executed: bool) -> int:
    """Record what somebody found out about ``unknown`` commands, and return how many it changed.

    Raises:
        UsageError: The journal has no command with such a key.
    """
    for key in keys:
        if not database.execute("SELECT 1 FROM commands WHERE key = ?", (key,)).fetchone():
            raise UsageError(f"{journal} has no command with the key {shown(key)}")
    status = "ok" if executed else "skipped"
    return database.executemany(schema.SETTLE, [(status, key) for key in keys]).rowcount

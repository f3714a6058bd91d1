"""What SQLite's errors mean for a file."""

from __future__ import annotations

import sqlite3

#: What SQLite's primary codes mean here (sqlite.org/rescode.html).
_REASONS = {
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database",
    sqlite3.SQLITE_FULL: "cannot be written (disk full)",
    sqlite3.SQLITE_READONLY: "is read-only, or was deleted meanwhile",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "cannot be opened: permission denied",
    sqlite3.SQLITE_IOERR: "cannot be read or written: disk I/O error",
}
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_locked(error: sqlite3.Error) -> bool:
    """Return whether the file is locked for the moment."""
    return _get_code(error) in _LOCKED


def explain(error: sqlite3.Error, seconds: float) -> str:
    """Return what is wrong with the file, as the predicate of a sentence.

    Args:
        error: The exception from SQLite.
        seconds: How long the store waited for the file.
    """
    if is_locked(error):
        return f"was locked by another process for over {seconds:g} s"
    return _REASONS.get(_get_code(error), f"cannot be used: {error}")


def _get_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

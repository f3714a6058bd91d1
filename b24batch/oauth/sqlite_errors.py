"""What the errors of SQLite say of a file."""

from __future__ import annotations

import sqlite3

#: What SQLite's primary codes mean here (sqlite.org/rescode.html).
_REASONS = {
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is a file of another kind",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_READONLY: "may not be written, or was deleted meanwhile",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "may not be opened",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk refuses",
}
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_locked(error: sqlite3.Error) -> bool:
    """Return whether somebody else has the file, who will leave it."""
    return _code(error) in _LOCKED


def reason_of(error: sqlite3.Error, seconds: float) -> str:
    """Return the predicate of a sentence about the file.

    Args:
        error: What SQLite raised.
        seconds: How long the file was waited for.
    """
    if is_locked(error):
        return f"was locked by another process for over {seconds:g} s"
    return _REASONS.get(_code(error), f"cannot be used: {error}")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

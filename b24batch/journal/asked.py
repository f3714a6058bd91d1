"""The names that a life of a run has asked for: twice only if two calls have the same name."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from b24batch.errors import JournalError, UsageError
from b24batch.journal.schema import marks
from b24batch.redaction import shown
from b24batch.sqlite_errors import explain

_TABLE = "CREATE TABLE asked (key TEXT PRIMARY KEY) WITHOUT ROWID"


class Asked:
    """Names in a temporary database, as a stream may be long: SQLite moves it to the disk when it grows.

    It is not a part of the journal: it ends with its life of the run.
    """

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None

    def add(self, names: Sequence[str]) -> None:
        """Add the names of a chunk.

        Raises:
            UsageError: One of them is in it already.
            JournalError: The temporary database cannot be written.
        """
        try:
            database = self._open()
            for (name,) in database.execute(f"SELECT key FROM asked WHERE key IN ({marks(names)}) LIMIT 1", names):
                raise UsageError(f"two calls have the same name, {shown(name)}; with a journal names must be unique")
            database.executemany("INSERT INTO asked VALUES (?)", [(name,) for name in names])
            return
        except sqlite3.Error as error:
            reason = explain(error, 0)
        raise JournalError(f"the temporary database of a journal {reason}; nothing more was sent")

    def forget(self) -> None:
        """Forget the names."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            database.execute(_TABLE)
            self._database = database
        return self._database

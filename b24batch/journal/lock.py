"""The lock of a journal: a second file beside it, locked for as long as a run uses the journal."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from b24batch.errors import JournalError, RunBusy
from b24batch.journal.paths import create, remove
from b24batch.sqlite_errors import explain, is_locked

_OWNER = "CREATE TABLE IF NOT EXISTS owner (process INTEGER, machine TEXT, since TEXT)"


class FileLock:
    """A lock that ends with the process, however that ends.

    It is a courtesy that names the other run; what keeps a command from being sent twice is the journal's claim.

    Args:
        path: The file of the journal.
    """

    def __init__(self, path: Path) -> None:
        self._journal = path.name
        self._path = path.with_name(f"{path.name}-lock")
        self._database: sqlite3.Connection | None = None
        self._is_taken = False
        self._pid = os.getpid()

    def take(self, now: float) -> None:
        """Take the lock. Call `release` in any case, also after an exception.

        Args:
            now: The Unix time, which is shown to others that want the lock.

        Raises:
            RunBusy: Another run has it.
            JournalError: The file of the lock cannot be written.
        """
        create(self._path)
        try:
            self._database = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            self._own(self._database, now)
            self._is_taken = True
        except sqlite3.Error as error:
            owner = _owner(self._database) if is_locked(error) and self._database is not None else None
            reason = explain(error, 0)
        else:
            return
        if owner is not None:
            raise RunBusy(f"{self._journal} is in use by {owner}")
        raise JournalError(f"{self._path.name} {reason}; nothing was sent")

    def release(self) -> None:
        """Release the lock and remove its file, if it was taken."""
        database, is_taken = self._database, self._is_taken
        if database is None or os.getpid() != self._pid:
            return  # a fork does not have the lock, and must not remove its file
        self._is_taken = False
        try:
            if is_taken:
                remove(self._path)
        finally:
            database.close()
            self._database = None

    def _own(self, database: sqlite3.Connection, now: float) -> None:
        since = datetime.fromtimestamp(now).strftime("%H:%M")
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("BEGIN IMMEDIATE")
        database.execute(_OWNER)
        database.execute("DELETE FROM owner")
        database.execute("INSERT INTO owner VALUES (?, ?, ?)", (os.getpid(), socket.gethostname(), since))
        database.execute("COMMIT")
        database.execute("BEGIN IMMEDIATE")  # kept open: others may read who has the lock, but not take it


def _owner(database: sqlite3.Connection) -> str:
    with suppress(sqlite3.Error):
        for process, machine, since in database.execute("SELECT process, machine, since FROM owner"):
            return f"process {process} on {machine} since {since}"
    return "another process"

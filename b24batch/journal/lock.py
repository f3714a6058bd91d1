"""The lock of a journal: a second file beside it, locked for as long as a run uses the journal."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from b24batch.errors import JournalError, RunBusy
from b24batch.journal.file import JournalFile
from b24batch.journal.paths import create, find, remove
from b24batch.sqlite_errors import explain, is_locked

_OWNER = "CREATE TABLE IF NOT EXISTS owner (process INTEGER, machine TEXT, since TEXT)"


class FileLock:
    """A lock that ends with the process, however that ends.

    It is a courtesy that names the other run; what keeps a command from being sent twice is the journal's claim. Its
    file is removed at the end of a run, so it is taken and removed inside a transaction on the journal: by one process
    at a time.

    Args:
        journal: The file of the journal.
    """

    def __init__(self, journal: JournalFile) -> None:
        self._journal = journal
        self._path = journal.path.with_name(f"{journal.name}-lock")
        self._database: sqlite3.Connection | None = None
        #: What distinguishes the file from another one at the same path; None if the lock is not taken.
        self._file: tuple[int, int] | None = None

    def take(self, now: float) -> None:
        """Take the lock. Call `release` in any case, also after an exception.

        Args:
            now: The Unix time, which is shown to others that want the lock.

        Raises:
            RunBusy: Another run has it.
            JournalError: The file of the lock cannot be written.
        """
        try:
            return self._journal.alone(lambda: self._take(now))
        except RunBusy:
            raise
        except JournalError as error:
            failure = error
        # It may be the run that keeps the journal locked, by one write after the other.
        owner = _find_owner(self._path) if self._file is None else None
        raise failure if owner is None else self._busy(owner)

    def release(self) -> None:
        """Release the lock and remove its file, if it was taken."""
        try:
            if self._file is not None:
                self._journal.try_alone(self._remove)
        finally:
            self._close()

    def _take(self, now: float) -> None:
        create(self._path)
        try:
            self._database = _connect(self._path)
            self._own(self._database, now)
            self._file = find(self._path)
        except sqlite3.Error as error:
            owner = _owner(self._database) if is_locked(error) and self._database is not None else None
            reason = explain(error, 0)
        else:
            return
        raise JournalError(f"{self._path.name} {reason}; nothing was sent") if owner is None else self._busy(owner)

    def _remove(self) -> None:
        if find(self._path) == self._file:
            remove(self._path)

    def _close(self) -> None:
        if self._journal.is_own and self._database is not None:
            self._file = None
            self._database.close()

    def _busy(self, owner: str) -> RunBusy:
        return RunBusy(f"{self._journal.name} is in use by {owner}")

    def _own(self, database: sqlite3.Connection, now: float) -> None:
        since = datetime.fromtimestamp(now).strftime("%H:%M")
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


def _find_owner(path: Path) -> str | None:
    """Return who has the lock; None if nobody has it."""
    with suppress(sqlite3.Error), closing(_connect(path)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return _owner(database) if is_locked(error) else None
    return None


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)

"""The SQLite file of a journal: opens, checks, reads and writes it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from b24batch.errors import JournalError, UsageError
from b24batch.journal.schema import APPLICATION_ID, COUNT, FORMAT, TABLES
from b24batch.sqlite_errors import explain

#: Seconds to wait for a reader of the file, such as a SQLite program in a terminal.
_PATIENCE = 5.0


class JournalFile:
    """A journal's file. Threads may share it.

    Args:
        path: The file; it is created if it does not exist, and only its owner can read it.

    Raises:
        UsageError: The file is something else, or was written by a newer version.
        JournalError: The file cannot be opened or created.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.name = self.path.name
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._make()
        try:
            self._database = self._connect()
        except sqlite3.Error as error:
            reason, is_foreign = explain(error, _PATIENCE), error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB
        else:
            self._identity = self._find()
            return
        raise self._foreign() if is_foreign else JournalError(f"{self.name} {reason}; nothing was sent")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run the block in a transaction that is on the disk when the block ends.

        Raises:
            JournalError: The file cannot be written.
        """
        with self._lock, self._translated():
            if os.getpid() != self._pid or self._find() != self._identity:
                raise sqlite3.OperationalError(
                    "it was deleted meanwhile, or this process is a copy of the one that opened it"
                )
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Run the block with the connection.

        Raises:
            JournalError: The file cannot be read.
        """
        with self._lock, self._translated():
            yield self._database

    def prepare(self) -> None:
        """Let every commit be on the disk when it returns, also after a power cut, at the cost of one flush."""
        with self.read() as database:
            for setting in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = 1"):
                database.execute(f"PRAGMA {setting}")

    def merge(self) -> None:
        """Merge the parts of the file into one, unless somebody reads it."""
        with self._lock, suppress(sqlite3.Error):
            self._database.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _connect(self) -> sqlite3.Connection:
        # SQLite itself would make a file that others may read.
        uri = f"{self.path.as_uri()}?mode=rw"
        database = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            self._check(database)
        except BaseException:
            database.close()
            raise
        return database

    def _check(self, database: sqlite3.Connection) -> None:
        """Raise `UsageError` for a file that is not a journal of this version; fill a new file."""
        application, version, tables = (
            database.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        if application == 0 and version == 0 and not tables:
            database.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT;")
        elif application != APPLICATION_ID:
            raise self._foreign()
        elif version > FORMAT:
            raise UsageError(f"{self.name} was written by a newer b24batch (format {version}); nothing was sent")

    def _make(self) -> None:
        # A file that exists is not opened here: closing it would drop the locks this process has on it.
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return
        except OSError as error:
            reason = error.strerror
        else:
            return
        raise JournalError(f"{self.name} cannot be created ({reason}); nothing was sent")

    def _find(self) -> tuple[int, int] | None:
        """Return what distinguishes the file from another one at the same path."""
        with suppress(OSError):
            status = self.path.stat()
            return status.st_dev, status.st_ino
        return None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            reason = explain(error, _PATIENCE)
        else:
            return
        raise JournalError(f"{self.name} {reason}; nothing more was sent{self._count()}")

    def _count(self) -> str:
        with suppress(sqlite3.Error):
            (count,) = self._database.execute(COUNT).fetchone()
            return f"; {count} commands have their outcome"
        return ""

    def _foreign(self) -> UsageError:
        return UsageError(f"{self.name} is not a journal of b24batch; nothing was sent")

"""The SQLite file of a journal: opens, checks, reads and writes it."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from b24batch.errors import JournalError, UsageError
from b24batch.journal.paths import create, find, to_path
from b24batch.journal.schema import APPLICATION_ID, COUNT, FORMAT, FORMAT_OF_FILE, TABLES
from b24batch.sqlite_errors import explain, is_locked

#: Seconds to wait for a reader of the file, such as a SQLite program in a terminal.
_PATIENCE = 5.0
_MOVED = "was replaced or deleted meanwhile"
#: What a fork of a process that uses a journal is told.
FORKED = "was opened by another process, of which this one is a copy"

_Known = TypeVar("_Known")


class JournalFile:
    """A journal's file. Threads may share it.

    Args:
        path: The file; it is created if it does not exist, and only its owner can read it.

    Raises:
        UsageError: The file is something else, or was written by a newer version.
        JournalError: The file cannot be opened or created.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = to_path(path)
        self.name = self.path.name
        #: A garbage collection inside it may end an abandoned stream, which closes its journal.
        self._lock = threading.RLock()
        self._pid = os.getpid()
        create(self.path)
        try:
            self._database = self._connect()
        except sqlite3.Error as error:
            reason, is_foreign = explain(error, _PATIENCE), error.sqlite_errorcode == sqlite3.SQLITE_NOTADB
        else:
            self._identity = find(self.path)
            return
        raise self._foreign() if is_foreign else JournalError(f"{self.name} {reason}; nothing was sent")

    # These take functions. A `contextmanager` that Ctrl-C interrupts in `contextlib` would keep the lock.
    def write(self, act: Callable[[sqlite3.Connection], _Known]) -> _Known:
        """Call `act` in a transaction, which is on the disk when this returns, and return its result.

        Raises:
            JournalError: The file cannot be written.
        """
        return self._do(lambda: self._transact(act))

    def read(self, act: Callable[[sqlite3.Connection], _Known]) -> _Known:
        """Call `act` with the connection, and return its result.

        Raises:
            JournalError: The file cannot be read.
        """
        return self._do(lambda: act(self._database))

    def prepare(self) -> None:
        """Let every commit be on the disk when it returns, also after a power cut, at the cost of one flush."""
        self._do(self._prepare)

    def merge(self) -> None:
        """Merge the parts of the file into one, unless somebody has it open."""
        self._try(lambda: self._database.execute("PRAGMA journal_mode = DELETE"))

    def alone(self, act: Callable[[], None]) -> None:
        """Call `act` while no other process can write to the file; raise `JournalError` if one keeps it locked."""
        self._do(lambda: self._exclude(act))

    def try_alone(self, act: Callable[[], None]) -> None:
        """Call `act` while no other process can write to the file, unless one is writing just now."""
        with suppress(JournalError):
            self._try(lambda: self._exclude(act))

    def close(self) -> None:
        """Close the file; nothing happens if it is closed."""
        if not self.is_own:
            return  # a thread of the other process may have the lock
        with self._lock, suppress(sqlite3.ProgrammingError):
            if not self._database.in_transaction:
                self._database.close()

    @property
    def is_own(self) -> bool:
        """Whether this process has opened it, and not one that it is a fork of."""
        return os.getpid() == self._pid

    def _try(self, act: Callable[[], object]) -> None:
        """Call `act` without waiting for other processes, if the connection is free; errors of SQLite are ignored."""
        if not self.is_own:
            return  # as in `close`
        with self._lock, suppress(sqlite3.Error):
            if not self._database.in_transaction:
                self._database.execute("PRAGMA busy_timeout = 0")
                try:
                    act()
                finally:
                    self._database.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000:.0f}")

    def _do(self, act: Callable[[], _Known]) -> _Known:
        if not self.is_own:
            raise JournalError(f"{self.name} {FORKED}; nothing more was sent")
        with self._lock:
            try:
                return act()
            except sqlite3.Error as error:
                reason = explain(error, _PATIENCE)
            raise JournalError(f"{self.name} {reason}; nothing more was sent{self._count()}")

    def _exclude(self, act: Callable[[], None]) -> None:
        self._transact(lambda _database: act(), end="ROLLBACK")  # a commit would wait for readers

    def _transact(self, act: Callable[[sqlite3.Connection], _Known], *, end: str = "COMMIT") -> _Known:
        if self._database.in_transaction:
            raise JournalError(f"{self.name} is in use by this thread; nothing more was sent")
        if find(self.path) != self._identity:
            raise JournalError(f"{self.name} {_MOVED}; nothing more was sent{self._count()}")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            known = act(self._database)
            self._database.execute(end)
        except BaseException:
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise
        return known

    def _prepare(self) -> None:
        ends = time.monotonic() + _PATIENCE
        while not self._use_wal(is_last=time.monotonic() >= ends):
            self._exclude(lambda: None)  # waits for the other process
        for setting in ("synchronous = FULL", "fullfsync = 1"):
            self._database.execute(f"PRAGMA {setting}")

    def _use_wal(self, *, is_last: bool) -> bool:
        """Change the file's mode; return False if another process is writing, for which SQLite does not wait here."""
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            return True
        except sqlite3.Error as error:
            if is_last or not is_locked(error):
                raise
            return False

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
        application, version, tables = database.execute(FORMAT_OF_FILE).fetchone()
        if application == 0 and version == 0 and not tables:
            _fill(database)
        elif application != APPLICATION_ID:
            raise self._foreign()
        elif version > FORMAT:
            raise UsageError(f"{self.name} was written by a newer b24batch (format {version}); nothing was sent")

    def _count(self) -> str:
        with suppress(sqlite3.Error):
            (count,) = self._database.execute(COUNT).fetchone()
            return f"; {count} command{' has its' if count == 1 else 's have their'} outcome"
        return ""

    def _foreign(self) -> UsageError:
        return UsageError(f"{self.name} is not a journal of b24batch; nothing was sent")


def _fill(database: sqlite3.Connection) -> None:
    """Create the tables, unless another process has created them meanwhile. Closing the file takes back a part."""
    database.execute("BEGIN IMMEDIATE")
    (count,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not count:
        for statement in TABLES:
            database.execute(statement)
    database.execute("COMMIT")

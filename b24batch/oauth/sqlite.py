"""A token store in a SQLite file, for all processes of a machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from b24batch.clock import Clock
from b24batch.errors import TokenRefreshError
from b24batch.oauth.stores import StoredRow, is_replaced, read_token, with_replaced
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.sqlite_errors import explain, is_locked

#: Seconds to wait for another process to finish its refresh.
_PATIENCE = 120.0
#: Seconds to wait for readers when a new token has to be written: the old one is no longer valid then.
_PATIENCE_AT_THE_END = 5.0
#: Seconds between two attempts on a locked file; SQLite's own waiting would ignore Ctrl-C.
_STEP = 0.05

_TABLES = (
    "CREATE TABLE IF NOT EXISTS b24batch_tokens (member_id TEXT PRIMARY KEY, access_token TEXT NOT NULL,"
    " refresh_token TEXT, expires REAL NOT NULL, client_endpoint TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS b24batch_replaced (member_id TEXT PRIMARY KEY, replaced TEXT NOT NULL)",
    # Not a column, so that version 0.1.0 can use the same file.
    "CREATE TABLE IF NOT EXISTS b24batch_servers (member_id TEXT PRIMARY KEY, server_endpoint TEXT)",
)
_GET = (
    "SELECT access_token, refresh_token, expires, client_endpoint, member_id, server_endpoint FROM b24batch_tokens"
    " LEFT JOIN b24batch_servers USING (member_id) WHERE member_id = ?"
)
_GET_REPLACED = "SELECT replaced, NULL, 0, '', '', NULL FROM b24batch_replaced WHERE member_id = ?"
_PUT = "INSERT OR REPLACE INTO b24batch_tokens VALUES (?, ?, ?, ?, ?)"
_SAME = "SELECT * FROM b24batch_tokens WHERE member_id = ?"
_T = TypeVar("_T")


class SQLiteTokenStore:
    """Stores tokens in a SQLite file, which all processes of a machine may share.

    The file is created if it does not exist, and only its owner can read it. Do not put it on a network drive, where
    file locks are not reliable.

    Args:
        path: The path of the file.
        clock: The clock for waits while another process has locked the file. Default: the module `time`.

    Raises:
        TokenRefreshError: The file is damaged, locked, full or read-only. Every method can raise it; the code is
            ``TOKEN_STORE``.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock = time) -> None:
        self._path = Path(path).absolute()
        self._clock = clock
        self._held = threading.local()
        self._retry(self._connect, _PATIENCE).close()

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal, or None."""
        row = self._read_first(_GET, member_id)
        return read_token(row, member_id) if row else None

    def has_replaced(self, token: Token) -> bool:
        """Return whether the store had this token before, and has replaced it."""
        return is_replaced(self._read_replaced(token.member_id), token.access_token)

    def put(self, token: Token) -> None:
        """Store a token instead of the portal's previous one."""
        database = self._get_database()
        if database is None:
            with self.lock(token.member_id):
                return self.put(token)
        old, replaced = self.get(token.member_id), self._read_replaced(token.member_id)
        replaced = with_replaced(replaced, old.access_token if old else None, token.access_token)
        note, server = (f"INSERT OR REPLACE INTO b24batch_{table} VALUES (?, ?)" for table in ("replaced", "servers"))
        self._retry(lambda: database.execute(_PUT, _to_row(token)), 0)
        self._retry(lambda: database.execute(note, (token.member_id, replaced)), 0)
        self._retry(lambda: database.execute(server, (token.member_id, token.server_endpoint)), 0)

    @contextmanager
    def lock(self, member_id: str, max_wait: float | None = None) -> Iterator[None]:
        """Lock the file against other threads and processes, and check that it can be written.

        Args:
            member_id: The portal whose token may be stored.
            max_wait: The longest wait in seconds for the lock, at most 120.
        """
        patience = _PATIENCE if max_wait is None else min(max_wait, _PATIENCE)
        with closing(self._retry(lambda: self._begin(member_id), patience)) as database:
            file = self._identify()
            try:
                self._held.database = database
                yield
                self._end(database, file)
            except BaseException:
                with suppress(TokenRefreshError):  # save what was put if possible; the first exception propagates
                    self._end(database, file)
                raise
            finally:
                self._held.database = None

    def _begin(self, member_id: str) -> sqlite3.Connection:
        database = self._connect()
        try:
            database.execute("BEGIN IMMEDIATE")
            # If the disk is full, this fails now, before a refresh token is used up.
            database.execute(f"INSERT OR REPLACE INTO b24batch_tokens {_SAME}", (member_id,))
        except BaseException:
            database.close()
            raise
        return database

    def _end(self, database: sqlite3.Connection, file: tuple[int, int] | None) -> None:
        self._held.database = None
        if database.in_transaction:
            self._retry(lambda: database.execute("COMMIT"), _PATIENCE_AT_THE_END)
        if self._identify() != file:
            raise self._store_error("was deleted meanwhile")

    def _read_first(self, query: str, member_id: str) -> StoredRow | None:
        """Return the first row, on the connection that holds this thread's lock, or on a new one."""
        held = self._get_database()
        database = held or self._retry(self._connect, _PATIENCE)
        try:
            row: StoredRow | None = self._retry(lambda: database.execute(query, (member_id,)).fetchone(), _PATIENCE)
            return row
        finally:
            if held is None:
                database.close()

    def _read_replaced(self, member_id: str) -> str:
        row = self._read_first(_GET_REPLACED, member_id)
        return row[0].reveal() if row else ""

    def _get_database(self) -> sqlite3.Connection | None:
        return getattr(self._held, "database", None)

    def _connect(self) -> sqlite3.Connection:
        self._make()
        # SQLite itself would create a file that others can read.
        database = sqlite3.connect(f"{self._path.as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)
        database.row_factory = _wrap_row
        try:
            for table in _TABLES:
                database.execute(table)
        except BaseException:
            database.close()
            raise
        return database

    def _make(self) -> None:
        # A file that exists is not opened here: closing it would drop the locks this process has on it.
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            if error.errno is None:  # raised by a signal handler, not by the operating system
                raise
            # The file exists, or SQLite will report the problem.

    def _identify(self) -> tuple[int, int] | None:
        """Return what distinguishes the file from another one at the same path."""
        with suppress(FileNotFoundError):
            status = self._path.stat()
            return status.st_dev, status.st_ino
        return None

    def _retry(self, act: Callable[[], _T], seconds: float) -> _T:
        """Return the result of `act`, repeated until the file is no longer locked."""
        until = self._clock.monotonic() + seconds
        while True:
            try:
                return act()
            except sqlite3.Error as error:
                reason, may_pass = explain(error, seconds), is_locked(error)
            left = until - self._clock.monotonic()
            if not may_pass or left <= 0:
                raise self._store_error(reason)
            self._clock.sleep(min(_STEP, left))

    def _store_error(self, reason: str) -> TokenRefreshError:
        return TokenRefreshError(f"the token store {self._path} {reason}", code="TOKEN_STORE", temporary=True)


def _to_row(token: Token) -> tuple[str, str, str | None, float, str]:
    refresh = token.refresh_token.reveal() if token.refresh_token else None
    return token.member_id, token.access_token.reveal(), refresh, token.expires, token.client_endpoint


def _wrap_row(cursor: sqlite3.Cursor, row: tuple[str, str | None, float, str, str, str | None]) -> StoredRow:
    del cursor
    return Secret(row[0]), None if row[1] is None else Secret(row[1]), *row[2:]

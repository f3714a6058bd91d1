"""A store of tokens in a SQLite file, for all processes of a machine."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from b24batch.auth import Secret
from b24batch.tokens import StoredRow, Token, stored_token

#: Seconds to wait for another process to finish its refresh.
_PATIENCE = 120.0


class SQLiteTokenStore:
    """Keeps tokens in a SQLite file, which all processes of one machine may share.

    The file is made when it does not exist, readable for its owner only. Do not put it on a network drive, where
    its locks may not hold.

    Args:
        path: Of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._held = threading.local()
        self._make()
        with closing(self._connect()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS b24batch_tokens (member_id TEXT PRIMARY KEY, access_token TEXT NOT NULL,"
                " refresh_token TEXT, expires REAL NOT NULL, client_endpoint TEXT NOT NULL)"
            )

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal; None when there is none."""
        with self._database() as database:
            row = database.execute(
                "SELECT access_token, refresh_token, expires, client_endpoint, member_id FROM b24batch_tokens"
                " WHERE member_id = ?",
                (member_id,),
            ).fetchone()
        return stored_token(row, member_id) if row else None

    def put(self, token: Token) -> None:
        """Keep a token in the place of the portal's last one."""
        with self._database() as database:
            database.execute(
                "INSERT OR REPLACE INTO b24batch_tokens VALUES (?, ?, ?, ?, ?)",
                (
                    token.member_id,
                    token.access_token.reveal(),
                    token.refresh_token and token.refresh_token.reveal(),
                    token.expires,
                    token.client_endpoint,
                ),
            )

    def _make(self) -> None:
        # A file that exists is not opened here: closing it would drop the locks this process has on it.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    @contextmanager
    def lock(self, member_id: str) -> Iterator[None]:
        """Keep other threads and processes from the file while the block lasts.

        Raises:
            sqlite3.OperationalError: Another one kept it for 120 seconds.
        """
        del member_id  # SQLite locks files, not rows
        with closing(self._connect()) as database:
            database.execute("BEGIN IMMEDIATE")
            self._held.database = database
            try:
                yield
            finally:
                self._held.database = None
                if database.in_transaction:
                    database.execute("COMMIT")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection that holds the lock in this thread, or one for this time only."""
        held = getattr(self._held, "database", None)
        if held is not None:
            yield held
            return
        with closing(self._connect()) as database:
            yield database

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
        database.row_factory = _wrapped_row
        return database


def _wrapped_row(cursor: sqlite3.Cursor, row: tuple[str, str | None, float, str, str]) -> StoredRow:
    del cursor
    access, refresh, expires, endpoint, member_id = row
    return Secret(access), None if refresh is None else Secret(refresh), expires, endpoint, member_id

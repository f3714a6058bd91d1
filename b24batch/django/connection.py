"""A database connection of a journal, apart from those of the project's threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections, transaction

from b24batch.django.database import copy_connection, is_in_memory, use
from b24batch.errors import SdkError


class OwnConnection:
    """A connection that the threads of a run use in turn, so that what they write is committed at once.

    Args:
        alias: The alias of the database.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._lock = threading.Lock()
        self._connection: Any = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction on the connection; it is committed when the block ends."""
        with self._lock:
            connection = self._open()
            try:
                with _shared(connection), use(self.alias, connection), transaction.atomic(using=self.alias):
                    yield
            except SdkError:
                raise
            except BaseException:
                self._close()  # the next query opens a new one
                raise

    def advice(self, error: Error) -> str:
        """Return what to do about an error, as the end of a sentence."""
        if connections[self.alias].vendor != "sqlite" or "locked" not in str(error):
            return ""
        return ", perhaps by a transaction of this same thread; pass using= with the alias of a separate database"

    def close(self) -> None:
        """Close the connection; the next query opens it again."""
        with self._lock:
            self._close()

    def _open(self) -> Any:
        if self._connection is None:
            # A database in memory belongs to a test, which may be in a transaction of its own.
            self._connection = connections[self.alias] if is_in_memory(self.alias) else copy_connection(self.alias)
            _flush_commits(self._connection)
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not is_in_memory(self.alias):
            with _shared(connection):
                connection.close()


@contextmanager
def _shared(connection: Any) -> Iterator[None]:
    """Let any thread use the connection during the block."""
    connection.inc_thread_sharing()
    try:
        yield
    finally:
        connection.dec_thread_sharing()


def _flush_commits(connection: Any) -> None:
    """Let a commit on SQLite survive a power cut, also in a project that does without (sqlite.org/pragma.html)."""
    if connection.vendor == "sqlite" and connection.connection is None:
        options = connection.settings_dict["OPTIONS"]
        options["init_command"] = f"{options.get('init_command') or ''};PRAGMA synchronous = FULL"

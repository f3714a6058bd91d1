"""A database connection of a journal, apart from those of the project's threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import Error, InterfaceError, connections, transaction

from b24batch.django.database import copy_connection, is_in_memory
from b24batch.errors import SdkError
from b24batch.locks import ProcessLock

_T = TypeVar("_T")


class OwnConnection:
    """A connection that the threads of a run use in turn, so that what they write is committed at once.

    Args:
        alias: The alias of the database.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        #: A garbage collection inside it may end an abandoned stream, which gives its run back.
        self._lock = ProcessLock(reentrant=True)
        self._is_busy = False
        self._connection: Any = None

    # It takes a function. A `contextmanager` that Ctrl-C interrupts in `contextlib` would keep the lock.
    def run(self, act: Callable[[], _T]) -> _T:
        """Call `act` in a transaction on the connection; it is committed when this returns.

        Raises:
            InterfaceError: This thread is in such a transaction.
        """
        with self._lock.lock:
            if self._is_busy:
                raise InterfaceError("the connection is in use by this thread")
            self._is_busy = True
            try:
                return self._run(act)
            except SdkError:
                raise
            except BaseException:
                self._close()  # the next query opens a new one
                raise
            finally:
                self._is_busy = False

    def advice(self, error: Error) -> str:
        """Return what to do about an error, as the end of a sentence."""
        if connections[self.alias].vendor != "sqlite" or "locked" not in str(error):
            return ""
        return ", perhaps by a transaction of this same thread; pass using= with the alias of a separate database"

    def close(self) -> None:
        """Close the connection, unless it is in use; the next query opens it again."""
        with self._lock.lock:
            if not self._is_busy:
                self._close()

    def _run(self, act: Callable[[], _T]) -> _T:
        if self._connection is None:
            # A database in memory belongs to a test, which may be in a transaction of its own.
            self._connection = connections[self.alias] if is_in_memory(self.alias) else copy_connection(self.alias)
            _flush_commits(self._connection)
        usual, connection = connections[self.alias], self._connection
        connection.inc_thread_sharing()  # any thread may use it
        try:
            connections[self.alias] = connection
            with transaction.atomic(using=self.alias):
                return act()
        finally:
            connections[self.alias] = usual
            connection.dec_thread_sharing()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not is_in_memory(self.alias):
            connection.inc_thread_sharing()
            try:
                connection.close()
            finally:
                connection.dec_thread_sharing()


def _flush_commits(connection: Any) -> None:
    """Let a commit on SQLite survive a power cut, also in a project that does without (sqlite.org/pragma.html)."""
    if connection.vendor == "sqlite" and connection.connection is None:
        options = connection.settings_dict["OPTIONS"]
        options["init_command"] = f"{options.get('init_command') or ''};PRAGMA synchronous = FULL"

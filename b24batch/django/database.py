"""Separate database connections for tokens and journals, outside of any transaction of a view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import OperationalError, connections, transaction

from b24batch.locks import ProcessLock

#: Seconds to wait on SQLite for another process that renews its token.
_PATIENCE = 120
#: The same inside a transaction, since that transaction may hold the lock itself.
_PATIENCE_IN_TRANSACTION = 10

_in_memory = ProcessLock()


def begin(stack: ExitStack, alias: str) -> None:
    """Begin a transaction on a separate connection, or lock a database in memory, until `stack` is closed.

    Raises:
        OperationalError: On SQLite, the file was locked for too long.
    """
    if is_in_memory(alias):
        stack.enter_context(_in_memory.lock)
        return
    stack.enter_context(_connect(alias))
    try:
        stack.enter_context(transaction.atomic(using=alias))
        return
    except OperationalError as error:
        reason = str(error)
    raise OperationalError(
        f"{reason}: b24batch waited for the database {alias!r} to lock a token, perhaps for a transaction of this same "
        "thread; set DATABASE in B24BATCH to a separate database"
    )


def read_apart(stack: ExitStack, alias: str) -> None:
    """Run queries on a separate connection until `stack` is closed, if the database is a SQLite file.

    A read within the view's transaction would lock the file against a refresh that may follow.
    """
    if connections[alias].vendor == "sqlite" and not is_in_memory(alias):
        stack.enter_context(_connect(alias))


def is_in_memory(alias: str) -> bool:
    """Return whether the database is in memory, so that no other process uses it, as in a test run."""
    return connections[alias].vendor == "sqlite" and bool(connections[alias].is_in_memory_db())


def copy_connection(alias: str) -> Any:
    """Return a separate connection to a database; it opens with its first query."""
    usual = connections[alias]
    apart = usual.copy()
    # With DEBUG, Django would log each statement with its values.
    apart.make_debug_cursor = apart.make_cursor
    if apart.vendor == "sqlite":
        patience = _PATIENCE_IN_TRANSACTION if usual.in_atomic_block else _PATIENCE
        # Exclusive: after the OAuth server has renewed a token, no reader may block the commit.
        apart.settings_dict["OPTIONS"] |= {"timeout": patience, "transaction_mode": "EXCLUSIVE"}
    return apart


@contextmanager
def use(alias: str, connection: Any) -> Iterator[None]:
    """Run this thread's queries on `connection` during the block."""
    usual = connections[alias]
    connections[alias] = connection
    try:
        yield
    finally:
        connections[alias] = usual


@contextmanager
def _connect(alias: str) -> Iterator[None]:
    """Run this thread's queries on a separate connection."""
    apart = copy_connection(alias)
    try:
        with use(alias, apart):
            yield
    finally:
        apart.close()

"""The idle connections of a pool."""

from __future__ import annotations

from collections import deque
from queue import Empty, Full
from typing import Any


class Idle:
    """The idle connections of a pool, without a lock: a signal inside a lock of `queue` would leave it held forever."""

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._connections: deque[Any] = deque()

    def get(self, **_waiting: object) -> Any:
        """Return the most recently used connection, or None; never wait."""
        try:
            return self._connections.pop()
        except IndexError:
            raise Empty from None

    def qsize(self) -> int:
        """Return the number of entries, including None."""
        return len(self._connections)

    def put(self, connection: Any, **_waiting: object) -> None:
        """Keep a connection, or None."""
        if len(self._connections) >= self._maxsize:
            raise Full
        self._connections.append(connection)

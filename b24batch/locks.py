"""A thread lock that starts out released in a forked child."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet


class ProcessLock:
    """Holds a plain lock, which a forked child finds released: ``with kept.lock:``.

    A lock that some thread holds while the process forks would stay locked in the child for ever. The lock itself is a
    `threading.Lock`, since its ``with`` is one step for signals: an exception that a handler raises finds it either
    not taken, or released by the block's end.

    Attributes:
        lock: The lock, to be looked up at each use.
    """

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        _locks.add(self)


_locks: WeakSet[ProcessLock] = WeakSet()


def _renew() -> None:
    """Give the child of a fork locks of its own, before any of its threads can begin."""
    for kept in list(_locks):
        kept.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)

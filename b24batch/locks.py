"""A thread lock that starts out released in a forked child."""

from __future__ import annotations

import os
import threading
from typing import cast
from weakref import WeakSet


class ProcessLock:
    """Holds a lock that is released in a forked child. Use it as ``with kept.lock:``.

    A lock that a thread holds while the process forks would stay locked in the child forever. It is a plain
    `threading.Lock` because signals cannot interrupt entering its ``with`` block: if a signal handler raises, the lock
    is either not acquired or released at the end of the block.

    Args:
        reentrant: Whether a thread that holds it may take it again, as a finalizer does that runs inside the block.

    Attributes:
        lock: The lock. Read this attribute at each use, since a fork replaces it.
    """

    __slots__ = ("__weakref__", "_reentrant", "lock")
    lock: threading.Lock

    def __init__(self, *, reentrant: bool = False) -> None:
        self._reentrant = reentrant
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        """Replace the lock with one that is released."""
        self.lock = cast("threading.Lock", threading.RLock()) if self._reentrant else threading.Lock()


_locks: WeakSet[ProcessLock] = WeakSet()


def _renew() -> None:
    """Replace all locks in a forked child, before any of its threads can start."""
    for kept in list(_locks):
        kept.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)

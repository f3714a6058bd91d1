"""A lock that outlives a fork, and whose locks wait only so long."""

from __future__ import annotations

import inspect
import os
import threading
from typing import Any


class ProcessLock:
    """A lock between the threads of one process, which a forked child finds open.

    A plain lock that some thread holds while the process forks stays locked in the child for ever.
    """

    def __init__(self) -> None:
        self._pid, self._lock = os.getpid(), threading.Lock()

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.Lock()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def takes_max_wait(function: Any) -> bool:
    """Return whether a function, perhaps somebody else's, has the parameter ``max_wait``, the most seconds to wait."""
    return "max_wait" in inspect.signature(function).parameters

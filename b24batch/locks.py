"""A lock that outlives a fork."""

from __future__ import annotations

import os
import threading


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

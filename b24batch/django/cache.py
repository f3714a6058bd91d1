"""The cache of a process's sessions."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable

import attrs

from b24batch.locks import ProcessLock
from b24batch.session import Session

#: Seconds until a cached session is checked against the stored token, which another process may have replaced.
SURE = 60.0


@attrs.define(eq=False)
class _Kept:
    """A session, and when it was last checked against the stored token."""

    session: Session
    sure_at: float = attrs.field(factory=time.monotonic)


class Sessions:
    """The most recently used sessions of this process.

    Args:
        limit: The maximum number of sessions.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[int, str, str], _Kept] = OrderedDict()
        self._lock = ProcessLock()
        #: How often something was forgotten.
        self._forgotten = 0

    def get(
        self,
        alias: str,
        member_id: str,
        make: Callable[[], Session],
        is_current: Callable[[Session], bool] = lambda _: True,
    ) -> Session:
        """Return the session for an alias and a portal; make a new one if there is none or it is out of date."""
        key = (os.getpid(), alias, member_id)
        before = self._use(key)
        if before is not None and self._is_current(before, is_current):
            return before.session
        self._drop(key, before)
        kept = None
        while kept is None:
            forgotten = self._forgotten
            kept = self._keep(key, _Kept(make()), forgotten)  # made outside the lock, since it may query the database
        return kept.session

    def _keep(self, key: tuple[int, str, str], made: _Kept, forgotten: int) -> _Kept | None:
        """Return what is kept now; None if something was forgotten meanwhile, and so `made` may be out of date."""
        with self._lock.lock:
            if forgotten != self._forgotten:
                return None
            kept = self._kept.setdefault(key, made)
            oldest = self._kept.popitem(last=False)[1] if len(self._kept) > self._limit else None
        if oldest is not None:
            oldest.session.close()
        return kept

    def _use(self, key: tuple[int, str, str]) -> _Kept | None:
        with self._lock.lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _drop(self, key: tuple[int, str, str], kept: _Kept | None) -> None:
        with self._lock.lock:
            if kept is not None and self._kept.get(key) is kept:
                del self._kept[key]

    def _is_current(self, kept: _Kept, is_current: Callable[[Session], bool]) -> bool:
        now = time.monotonic()
        if now - kept.sure_at < SURE:
            return True
        kept.sure_at = now  # one thread checks, the others go on
        return is_current(kept.session)

    def forget(self, member_id: str) -> None:
        """Remove a portal's sessions under all aliases; callers that hold one can still use it."""
        with self._lock.lock:
            self._forgotten += 1
            for key in [key for key in self._kept if key[2] == member_id]:
                del self._kept[key]

    def clear(self) -> None:
        """Remove all sessions; callers that hold one can still use it."""
        with self._lock.lock:
            self._forgotten += 1
            self._kept.clear()

"""Token stores: the protocol, and a store in memory."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

from b24batch.errors import UsageError
from b24batch.locks import ProcessLock
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.wire.auth import with_max_wait

#: How many replaced tokens a store remembers; older ones expired long ago.
_REMEMBERED = 100


def with_replaced(replaced: str, old: Secret | None, new: Secret) -> str:
    """Return what a store remembers of its former access tokens after `new` has replaced `old`.

    Args:
        replaced: What it remembered before; "" at first.
        old: The replaced access token, or None.
        new: The new access token. May be the same, if something else of the token has changed.
    """
    if old is None or old == new:
        return replaced
    return " ".join([_fingerprint(old), *replaced.split()][:_REMEMBERED])


def is_replaced(replaced: str, access_token: Secret) -> bool:
    """Return whether a store remembers an access token as a former one."""
    return _fingerprint(access_token) in replaced.split()


def _fingerprint(access_token: Secret) -> str:
    """Return a hash that identifies a token, and cannot be used instead of it."""
    return hashlib.sha256(access_token.reveal().encode()).hexdigest()[:16]


#: The columns of a stored token, in the order of `Token`, its secrets wrapped.
StoredRow: TypeAlias = tuple[Secret, Secret | None, float, str, str, str | None]


def read_token(row: StoredRow, member_id: str) -> Token:
    """Return the token in a row of a store; raise `UsageError`, which names the portal, if the row is invalid."""
    try:
        return Token(*row[:5], server_endpoint=row[5])
    except UsageError as wrong:
        reason = wrong.description
    raise UsageError(f"the stored token of {member_id}: {reason}")


class TokenStore(Protocol):
    """Stores one token per portal.

    A store may have two more features. If `lock` has a parameter ``max_wait=None``, the longest wait in seconds, it
    gets the session's ``max_wait``. A method ``has_replaced(token)`` returns whether the store had this token before
    and has replaced it, so that a program that starts with an old token does not overwrite a newer one.
    """

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal, or None."""

    def put(self, token: Token) -> None:
        """Store a token instead of the portal's previous one. It must be saved when `lock` is released, or before."""

    def lock(self, member_id: str) -> AbstractContextManager[object]:
        """Lock the token of this portal against all other threads, and all processes that share the store."""


def lock_store(store: TokenStore, member_id: str, max_wait: float | None) -> AbstractContextManager[object]:
    """Return the lock of a store, which waits at most `max_wait` seconds if the store supports it."""
    lock: AbstractContextManager[object] = with_max_wait(store.lock, max_wait)(member_id)
    return lock


#: Seconds between two attempts to get a lock that is taken.
_STEP = 0.01


class MemoryTokenStore:
    """Stores tokens in memory until the process ends. Threads may share it."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._replaced: dict[str, str] = {}
        self._lock = ProcessLock()

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal, or None."""
        return self._tokens.get(member_id)

    def put(self, token: Token) -> None:
        """Store a token instead of the portal's previous one."""
        member_id = token.member_id
        old, replaced = self.get(member_id), self._replaced.get(member_id, "")
        self._replaced[member_id] = with_replaced(replaced, old.access_token if old else None, token.access_token)
        self._tokens[member_id] = token

    def has_replaced(self, token: Token) -> bool:
        """Return whether the store had this token before, and has replaced it."""
        return is_replaced(self._replaced.get(token.member_id, ""), token.access_token)

    @contextmanager
    def lock(self, member_id: str) -> Iterator[None]:
        """Lock the store against other threads and greenlets."""
        del member_id  # one lock is enough for all: a refresh takes a second, once an hour
        lock = self._lock.lock
        while lock.locked():  # a greenlet that blocks here would block the thread of the one that has the lock
            time.sleep(_STEP)
        with lock:
            yield

"""Stores of tokens: what one is, and the one in memory."""

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

#: How many replaced tokens a store knows; one that was replaced before those has expired long ago.
_REMEMBERED = 100


def with_replaced(replaced: str, old: Secret | None, new: Secret) -> str:
    """Return what a store remembers of the access tokens it had, once `new` is in the place of `old`.

    Args:
        replaced: What it remembered before, "" at first.
        old: None when there was none.
        new: May be the same, when something else of the token has changed.
    """
    if old is None or old == new:
        return replaced
    return " ".join([_fingerprint(old), *replaced.split()][:_REMEMBERED])


def is_replaced(replaced: str, access_token: Secret) -> bool:
    """Return whether a store remembers an access token as one that it had."""
    return _fingerprint(access_token) in replaced.split()


def _fingerprint(access_token: Secret) -> str:
    """Return what tells a token from others, and cannot be used in its place."""
    return hashlib.sha256(access_token.reveal().encode()).hexdigest()[:16]


#: The columns of a stored token, in the order of `Token`, its secrets wrapped.
StoredRow: TypeAlias = tuple[Secret, Secret | None, float, str, str]


def stored_token(row: StoredRow, member_id: str) -> Token:
    """Return the token in a row of a store; raise `UsageError`, which names the portal, when it cannot be one."""
    try:
        return Token(*row)
    except UsageError as wrong:
        reason = wrong.description
    raise UsageError(f"the stored token of {member_id}: {reason}")


class TokenStore(Protocol):
    """Where tokens are kept, one for each portal.

    A store may do two things more. A `lock` that takes ``max_wait=None``, the most seconds to wait for others, gets
    that of the session. A method ``has_replaced(token)`` tells whether a token was here once and another took its
    place, so that a program that begins with an old token does not put it over its successor.
    """

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal; None when there is none."""

    def put(self, token: Token) -> None:
        """Keep a token in the place of the portal's last one; it is safe at the latest when `lock` is left."""

    def lock(self, member_id: str) -> AbstractContextManager[object]:
        """Keep every other thread, and process if the store is shared, from the lock of this portal."""


def locked(store: TokenStore, member_id: str, max_wait: float | None) -> AbstractContextManager[object]:
    """Return the lock of a store, which waits for others at most so many seconds where it can."""
    lock: AbstractContextManager[object] = with_max_wait(store.lock, max_wait)(member_id)
    return lock


#: Seconds between two looks at a lock that somebody has.
_STEP = 0.01


class MemoryTokenStore:
    """Keeps tokens while the process lives; its threads may share it."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._replaced: dict[str, str] = {}
        self._lock = ProcessLock()

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal; None when there is none."""
        return self._tokens.get(member_id)

    def put(self, token: Token) -> None:
        """Keep a token in the place of the portal's last one."""
        member_id = token.member_id
        old, replaced = self.get(member_id), self._replaced.get(member_id, "")
        self._replaced[member_id] = with_replaced(replaced, old.access_token if old else None, token.access_token)
        self._tokens[member_id] = token

    def has_replaced(self, token: Token) -> bool:
        """Return whether a token was here once, and another took its place."""
        return is_replaced(self._replaced.get(token.member_id, ""), token.access_token)

    @contextmanager
    def lock(self, member_id: str) -> Iterator[None]:
        """Keep other threads, and greenlets, from the store while the block lasts."""
        del member_id  # one lock does for all: a refresh takes a second, once an hour
        lock = self._lock.lock
        while lock.locked():  # a greenlet that waited in it would hold up the thread of the one that has it
            time.sleep(_STEP)
        with lock:
            yield

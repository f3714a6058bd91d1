"""Tokens of OAuth 2.0, and what a store of them is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import UnionType
from typing import Any, Protocol, TypeAlias

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.locks import ProcessLock
from b24batch.oauth.succession import is_replaced, with_replaced
from b24batch.redaction import Secret
from b24batch.wire.addresses import HttpAddress, http_address
from b24batch.wire.patience import takes_max_wait

#: Unix time of the year 33658; what is later is no time.
_NEVER = 1e12


def _to_endpoint(given: Secret) -> str:
    address = http_address(given.reveal()) if _is_a(str, given) else "is no text"
    if isinstance(address, str):
        raise UsageError(f"a client_endpoint looks like https://example.bitrix24.com/rest/; this one {address}")
    return f"{address.url.rstrip('/')}/"


def _to_member_id(given: Secret) -> str:
    if not _is_a(str, given) or not re.fullmatch(r"[\w.-]{1,64}", given.reveal(), re.ASCII):
        raise UsageError("a member_id is what the portal gave, 32 letters and digits; this one cannot be")
    return given.reveal()


def _to_expires(given: Secret) -> float:
    if _is_a(bool, given) or not _is_a(int | float, given):
        raise UsageError(f"expires is a Unix time in seconds, not of type {type(given.reveal()).__name__}")
    number: Any = given.reveal()
    if not -_NEVER < number < _NEVER:
        raise UsageError("expires is a Unix time in seconds, and this number is none")
    return float(number)


def _is_a(kind: type | UnionType, given: Secret) -> bool:
    value: object = given.reveal()
    return isinstance(value, kind)


def _check_text(token: Token, attribute: attrs.Attribute[Secret], secret: object) -> None:
    del token
    if not isinstance(secret, Secret) or not isinstance(secret.reveal(), str):
        raise UsageError(f"{attribute.name} is no text")
    if not re.fullmatch(r"[!-~]+", secret.reveal()):
        raise UsageError(f"{attribute.name} is empty, or has a space or a character beyond ASCII in it")


@attrs.frozen(init=False, repr=False)
class Token:
    """What a portal's OAuth server gives an application for one portal.

    Attributes:
        access_token: Goes with every request, for an hour.
        refresh_token: Buys the next token, once, within 180 days; None where a portal sends none, as with events.
        expires: Unix time in seconds.
        client_endpoint: Where methods are called, ``https://example.bitrix24.com/rest/``.
        member_id: The portal's own, which stays when its address changes.

    Raises:
        UsageError: For a value that cannot be one; the message holds no token.
    """

    access_token: Secret = attrs.field(validator=_check_text)
    refresh_token: Secret | None = attrs.field(validator=attrs.validators.optional(_check_text))
    expires: float = attrs.field(converter=_to_expires)
    client_endpoint: str = attrs.field(converter=_to_endpoint)
    member_id: str = attrs.field(converter=_to_member_id)

    def __init__(
        self,
        access_token: str | Secret,
        refresh_token: str | Secret | None,
        expires: float,
        client_endpoint: str,
        member_id: str,
    ) -> None:
        access, refresh = _wrapped(access_token), None if refresh_token is None else _wrapped(refresh_token)
        others = [_wrapped(each) for each in (expires, client_endpoint, member_id)]  # two may have been swapped
        del access_token, refresh_token, expires, client_endpoint, member_id  # or a traceback from here would show them
        self.__attrs_init__(access, refresh, *others)

    @property
    def address(self) -> HttpAddress:
        """Scheme, host and path of the portal's REST API."""
        address = http_address(self.client_endpoint)
        assert isinstance(address, HttpAddress)
        return address

    def __repr__(self) -> str:
        endpoint = getattr(self, "client_endpoint", "nowhere")  # a traceback may show one that was never finished
        return f"<Token of {endpoint}>"

    @classmethod
    def from_answer(cls, answer: Mapping[str, JsonValue], now: float) -> Token:
        """Return the token in an answer of the OAuth server.

        Args:
            answer: ``access_token, refresh_token, expires_in, client_endpoint, member_id`` and what else there is.
            now: The Unix time. ``expires_in`` counts from it; ``expires`` would depend on the server's clock.

        Raises:
            UsageError: One of them is missing or cannot be; the message names it.
        """
        names = ("expires_in", "client_endpoint", "member_id")
        missing = [name for name in ("access_token", "refresh_token", *names) if not answer.get(name)]
        access, refresh = (_wrapped(answer.get(name)) for name in ("access_token", "refresh_token"))
        expires_in, endpoint, member_id = (answer.get(name, "") for name in names)
        del answer  # or a traceback from here would show the tokens
        if missing:
            raise UsageError(f"{missing[0]} is missing")
        return cls(access, refresh, now + _seconds(expires_in), endpoint, member_id)


#: The columns of a stored token, in the order of `Token`, its secrets wrapped.
StoredRow: TypeAlias = tuple[Secret, Secret | None, float, str, str]


def stored_token(row: StoredRow, member_id: str) -> Token:
    """Return the token in a row of a store; raise `UsageError`, which names the portal, when it cannot be one."""
    try:
        return Token(*row)
    except UsageError as wrong:
        reason = wrong.description
    raise UsageError(f"the stored token of {member_id}: {reason}")


def _wrapped(text: Any) -> Secret:
    return text if isinstance(text, Secret) else Secret(text)


def _seconds(expires_in: object) -> float:
    text = "" if isinstance(expires_in, bool) else str(expires_in)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        raise UsageError("expires_in is no number of seconds")
    return float(text)


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
    lock: Any = store.lock
    return lock(member_id, max_wait=max_wait) if takes_max_wait(lock) else lock(member_id)  # type: ignore[no-any-return]


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

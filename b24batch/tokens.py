"""Tokens of OAuth 2.0, and what a store of them is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import attrs

from b24batch.addresses import HttpAddress, http_address
from b24batch.auth import Secret
from b24batch.encoding import JsonValue, shown
from b24batch.errors import UsageError
from b24batch.locks import ProcessLock


def _to_endpoint(value: object) -> str:
    address = http_address(value) if isinstance(value, str) else "is no text"
    if isinstance(address, str):
        raise UsageError(f"a client_endpoint looks like https://example.bitrix24.com/rest/; this one {address}")
    return f"{address.url.rstrip('/')}/"


def _to_member_id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]{1,64}", value, re.ASCII):
        raise UsageError(f"a member_id is what the portal gave, 32 letters and digits, not {shown(value)}")
    return value


def _to_expires(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"expires is a Unix time in seconds, not {shown(value)}")
    return float(value)


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
        del access_token, refresh_token  # or a traceback from here would show them
        self.__attrs_init__(access, refresh, expires, client_endpoint, member_id)

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


def _wrapped(text: JsonValue) -> Secret:
    return text if isinstance(text, Secret) else Secret(text)


def _seconds(expires_in: object) -> float:
    if not re.fullmatch(r"\d{1,9}", str(expires_in)):
        raise UsageError("expires_in is no whole number of seconds")
    return float(str(expires_in))


class TokenStore(Protocol):
    """Where tokens are kept, one for each portal."""

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal; None when there is none."""

    def put(self, token: Token) -> None:
        """Keep a token in the place of the portal's last one; it is safe at the latest when `lock` is left."""

    def lock(self, member_id: str) -> AbstractContextManager[object]:
        """Keep every other thread, and process if the store is shared, from the lock of this portal."""


class MemoryTokenStore:
    """Keeps tokens while the process lives; its threads may share it."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._lock = ProcessLock()

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal; None when there is none."""
        return self._tokens.get(member_id)

    def put(self, token: Token) -> None:
        """Keep a token in the place of the portal's last one."""
        self._tokens[token.member_id] = token

    def lock(self, member_id: str) -> AbstractContextManager[object]:
        """Return the lock of the store."""
        del member_id  # one lock does for all: a refresh takes a second, once an hour
        return self._lock.lock

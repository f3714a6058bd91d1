"""Tokens of OAuth 2.0, and what a store of them is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import UnionType
from typing import Any

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.redaction import Secret
from b24batch.wire.addresses import HttpAddress, http_address

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


def _wrapped(text: Any) -> Secret:
    return text if isinstance(text, Secret) else Secret(text)


def _seconds(expires_in: object) -> float:
    text = "" if isinstance(expires_in, bool) else str(expires_in)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        raise UsageError("expires_in is no number of seconds")
    return float(text)

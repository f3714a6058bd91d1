"""OAuth 2.0 tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import UnionType
from typing import Any

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.redaction import Secret
from b24batch.wire.addresses import HttpAddress, parse_address

#: Unix time of the year 33658; anything later is invalid.
_NEVER = 1e12


def _to_endpoint(given: Secret) -> str:
    address = parse_address(given.reveal()) if _is_a(str, given) else "is not a string"
    if isinstance(address, str):
        raise UsageError(f"client_endpoint: expected a URL like https://example.bitrix24.com/rest/; this one {address}")
    return f"{address.url.rstrip('/')}/"


def _to_server(given: Secret) -> str | None:
    if not given.reveal():
        return None
    address = parse_address(given.reveal()) if _is_a(str, given) else "is not a string"
    if isinstance(address, str):
        raise UsageError(f"server_endpoint: expected a URL like https://oauth.bitrix.info/rest/; this one {address}")
    return f"{address.url.rstrip('/')}/"


def _to_member_id(given: Secret) -> str:
    if not _is_a(str, given) or not re.fullmatch(r"[\w.-]{1,64}", given.reveal(), re.ASCII):
        raise UsageError("member_id is invalid: expected the one that the portal sent, 32 letters and digits")
    return given.reveal()


def _to_expires(given: Secret) -> float:
    if _is_a(bool, given) or not _is_a(int | float, given):
        raise UsageError(f"expires: expected a Unix time in seconds, got {type(given.reveal()).__name__}")
    number: Any = given.reveal()
    if not -_NEVER < number < _NEVER:
        raise UsageError("expires: expected a Unix time in seconds, got a number that is out of range")
    return float(number)


def _is_a(kind: type | UnionType, given: Secret) -> bool:
    value: object = given.reveal()
    return isinstance(value, kind)


def _check_text(token: Token, attribute: attrs.Attribute[Secret], secret: object) -> None:
    del token
    if not isinstance(secret, Secret) or not isinstance(secret.reveal(), str):
        raise UsageError(f"{attribute.name} is not a string")
    if not re.fullmatch(r"[!-~]+", secret.reveal()):
        raise UsageError(f"{attribute.name} is empty, or has a space or a non-ASCII character in it")


@attrs.frozen(init=False, repr=False)
class Token:
    """The token of an application for one portal, issued by the OAuth server.

    Attributes:
        access_token: Sent with every request; valid for an hour.
        refresh_token: Can be exchanged once for the next token, within 180 days; None if the portal sends none, as in
            events.
        expires: Unix time in seconds.
        client_endpoint: The URL of the REST API, ``https://example.bitrix24.com/rest/``.
        member_id: The portal's id, which stays the same when its address changes.
        server_endpoint: The OAuth server that issued the token and renews it, ``https://oauth.bitrix.info/rest/``; None
            if it is not known.

    Raises:
        UsageError: A value is invalid. The message does not contain the token.
    """

    access_token: Secret = attrs.field(validator=_check_text)
    refresh_token: Secret | None = attrs.field(validator=attrs.validators.optional(_check_text))
    expires: float = attrs.field(converter=_to_expires)
    client_endpoint: str = attrs.field(converter=_to_endpoint)
    member_id: str = attrs.field(converter=_to_member_id)
    server_endpoint: str | None = attrs.field(converter=_to_server)

    def __init__(
        self,
        access_token: str | Secret,
        refresh_token: str | Secret | None,
        expires: float,
        client_endpoint: str,
        member_id: str,
        *,
        server_endpoint: str | None = None,
    ) -> None:
        access, refresh = _wrap(access_token), None if refresh_token is None else _wrap(refresh_token)
        others = [_wrap(each) for each in (expires, client_endpoint, member_id, server_endpoint)]  # perhaps swapped
        del (
            access_token,
            refresh_token,
            expires,
            client_endpoint,
            member_id,
            server_endpoint,
        )  # or a traceback from here would show them
        self.__attrs_init__(access, refresh, *others)

    @property
    def address(self) -> HttpAddress:
        """The scheme, host and path of the portal's REST API."""
        address = parse_address(self.client_endpoint)
        assert isinstance(address, HttpAddress)
        return address

    def __repr__(self) -> str:
        endpoint = getattr(self, "client_endpoint", "nowhere")  # a traceback may show one that was never finished
        return f"<Token of {endpoint}>"

    @classmethod
    def from_answer(cls, answer: Mapping[str, JsonValue], now: float) -> Token:
        """Return the token in an answer of the OAuth server.

        Args:
            answer: ``access_token, refresh_token, expires_in, client_endpoint, member_id``, and ``server_endpoint`` if
                it is there and a URL; other keys are ignored.
            now: The Unix time from which ``expires_in`` counts. (The answer's own ``expires`` depends on the server's
                clock.)

        Raises:
            UsageError: A value is missing or invalid. The message names it.
        """
        names = ("expires_in", "client_endpoint", "member_id")
        missing = [name for name in ("access_token", "refresh_token", *names) if not answer.get(name)]
        access, refresh = (_wrap(answer.get(name)) for name in ("access_token", "refresh_token"))
        expires_in, endpoint, member_id = (answer.get(name, "") for name in names)
        server = answer.get("server_endpoint")
        del answer  # or a traceback from here would show the tokens
        if missing:
            raise UsageError(f"{missing[0]} is missing")
        known = server if isinstance(server, str) and isinstance(parse_address(server), HttpAddress) else None
        return cls(access, refresh, now + _to_seconds(expires_in), endpoint, member_id, server_endpoint=known)


def _wrap(text: Any) -> Secret:
    return text if isinstance(text, Secret) else Secret(text)


def _to_seconds(expires_in: object) -> float:
    text = "" if isinstance(expires_in, bool) else str(expires_in)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", text):
        raise UsageError("expires_in is not a number of seconds")
    return float(text)

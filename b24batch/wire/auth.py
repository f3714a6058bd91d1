"""Credentials: where a portal is called, and with what secret."""

from __future__ import annotations

import inspect
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import attrs

from b24batch.errors import UsageError
from b24batch.redaction import Secret
from b24batch.wire.addresses import http_address, is_loopback

if TYPE_CHECKING:
    from b24batch.wire.connections import Connections

_SHAPE = "a webhook URL looks like https://example.bitrix24.com/rest/1/<code>/"
_PATH = r"(?P<base>.*/rest/(?P<user>[^/]+)/[^/]+)(?:/[^/]*)?/?"


@attrs.frozen(repr=False)
class Access:
    """What one request is sent with.

    Attributes:
        endpoint: The address that the name of a method completes.
        token: The access token, for the body; None when the address is secret enough.
        stale: Whether the token is about to expire, and better renewed before it is used.
        hidden: What else of the credentials is secret: a portal's answer may repeat it, and no error does.
    """

    endpoint: Secret
    token: Secret | None = None
    stale: bool = False
    hidden: tuple[Secret, ...] = ()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that no text of an answer may show."""
        return self.hidden if self.token is None else (self.token, *self.hidden)

    def url(self, method: str) -> Secret:
        """Return the address at which `method` is called."""
        return Secret(self.endpoint.reveal() + method)

    def signed(self, body: bytes) -> bytes:
        """Return the JSON of a request with the token in it."""
        if self.token is None:
            return body
        if body.startswith(b"["):  # the token needs a name, and with it every param
            body = json.dumps(dict(enumerate(json.loads(body)))).encode()
        return b'{"auth": %b%b%b' % (
            json.dumps(self.token.reveal()).encode(),
            b"" if body == b"{}" else b", ",
            body[1:],
        )


#: How a token was renewed: by the OAuth server, by somebody else meanwhile, or not at all.
Renewal: TypeAlias = Literal["refreshed", "taken", "none"]


@runtime_checkable
class Auth(Protocol):
    """What a session needs of its credentials."""

    @property
    def host(self) -> str:
        """The portal's host, with its port if it has one."""

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""

    def access(self) -> Access:
        """Return what the next request is sent with."""

    def renew(self, refused: Access, connections: Connections) -> Renewal:
        """Renew a token that was refused or is about to be; return how.

        It may take ``max_wait=None`` as well, the most seconds to wait for somebody else who renews it.

        With a parameter ``max_wait=None`` it gets that of the session, for the wait for other processes.

        Raises:
            NotSent: The token server could not be reached.
            TokenRefreshError: It will not give another token.
        """


def with_max_wait(function: Any, max_wait: float | None) -> Any:
    """Return `function` with the most seconds to wait given to it, if it takes ``max_wait``."""
    takes = "max_wait" in inspect.signature(function).parameters
    return partial(function, max_wait=max_wait) if takes else function


@attrs.frozen(eq=False, init=False, repr=False)
class Webhook:
    """An inbound webhook: a URL that holds a user's id and a secret code.

    Args:
        url: As the portal shows it, ``https://example.bitrix24.com/rest/1/<code>/``; the last slash may be missing,
            and the sample method that the portal shows behind it (``profile.json``) may be there.

    Raises:
        UsageError: When it is no such URL. The message does not repeat it, since it may hold the code.
    """

    scheme: str
    host: str
    _access: Access

    def __init__(self, url: str | Secret) -> None:
        secret = url if isinstance(url, Secret) else Secret(url)
        del url
        parts = _parse(secret)
        if isinstance(parts, str):
            raise UsageError(f"{_SHAPE}; this one {parts}")
        scheme, host, base = parts
        code = Secret(base.reveal().rstrip("/").rpartition("/")[2])
        self.__attrs_init__(scheme, host, Access(base, hidden=(code,)))

    def access(self) -> Access:
        """Return the webhook's address; no token goes with it."""
        return self._access

    def renew(self, refused: Access, connections: Connections) -> Renewal:
        """Return that it was not: the code of a webhook cannot be renewed."""
        del refused, connections
        return "none"

    def __repr__(self) -> str:
        return f"<Webhook of {getattr(self, 'host', 'nowhere')}>"


def _parse(secret: Secret) -> tuple[str, str, Secret] | str:
    """Return scheme, host and base address of a webhook URL, or what is wrong with it."""
    text: object = secret.reveal()
    if not isinstance(text, str):
        return f"is of type {type(text).__name__}"
    address = http_address(text.strip())
    if isinstance(address, str):
        return address
    path = re.fullmatch(_PATH, address.path)
    if path is None:
        return "has no /rest/<user id>/<code>/ in it"
    if path["user"] == "api":
        return "is one of REST version 3; b24batch speaks version 2"
    return address.scheme, address.host, Secret(f"{address._replace(path=path['base']).url}/")


def refuse_http(auth: Auth) -> None:
    """Raise `UsageError` when the credentials would cross a network unencrypted."""
    if auth.scheme != "https" and not is_loopback(auth.host):
        raise UsageError(
            f"http would show the credentials for {auth.host} to the network: use https, or allow_http=True"
        )

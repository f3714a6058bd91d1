"""Credentials: the address of a portal and the secret to call it with."""

from __future__ import annotations

import inspect
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import attrs

from b24batch.errors import UsageError
from b24batch.redaction import Secret
from b24batch.wire.addresses import is_loopback, parse_address

if TYPE_CHECKING:
    from b24batch.wire.connections import Connections

_SHAPE = "a webhook URL looks like https://example.bitrix24.com/rest/1/<code>/"
_PATH = r"(?P<base>.*/rest/(?P<user>[^/]+)/[^/]+)(?:/[^/]*)?/?"


@attrs.frozen
class Access:
    """The address and the token for one request.

    Attributes:
        endpoint: The base address; the name of the method is appended to it.
        token: The access token, sent in the body; None if the address already contains the secret.
        stale: Whether the token is about to expire and should be renewed before it is used.
        hidden: Other secrets of the credentials. They are masked in errors, even if the portal's answer repeats them.
        public_only: Whether to connect only to a public address, since the host came from a form. Holds without a
            proxy, and with the adapter of this package.
    """

    endpoint: Secret
    token: Secret | None = None
    stale: bool = False
    hidden: tuple[Secret, ...] = ()
    public_only: bool = False

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All secrets to mask in texts of an answer."""
        return self.hidden if self.token is None else (self.token, *self.hidden)

    def url(self, method: str) -> Secret:
        """Return the address at which `method` is called."""
        return Secret(self.endpoint.reveal() + method)

    def signed(self, body: bytes) -> bytes:
        """Return the JSON body of a request with the token added."""
        if self.token is None:
            return body
        if body.startswith(b"["):  # the token needs a key, so every param gets one
            body = json.dumps(dict(enumerate(json.loads(body)))).encode()
        return b'{"auth": %b%b%b' % (
            json.dumps(self.token.reveal()).encode(),
            b"" if body == b"{}" else b", ",
            body[1:],
        )


#: How a token was renewed: by the OAuth server, by another thread or process in the meantime, or not at all.
Renewal: TypeAlias = Literal["refreshed", "taken", "none"]


@runtime_checkable
class Auth(Protocol):
    """The interface of a session's credentials; implement it to provide your own."""

    @property
    def host(self) -> str:
        """The portal's host, with the port if there is one."""

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""

    def access(self) -> Access:
        """Return the address and the token for the next request."""

    def renew(self, refused: Access, connections: Connections) -> Renewal:
        """Renew a token that was refused or is about to expire.

        An implementation may have a parameter ``max_wait=None``. It then gets the session's ``max_wait``: the most
        seconds to wait while another thread or process renews the token.

        Args:
            refused: The access whose token was refused or is stale.
            connections: The connections to send the request for a new token with.

        Returns:
            ``"refreshed"`` if this call renewed the token, ``"taken"`` if another thread or process had already done
            so, ``"none"`` if there is no newer token.

        Raises:
            NotSent: The token server could not be reached.
            TokenRefreshError: The token server gives no new token.
        """


def with_max_wait(function: Any, max_wait: float | None) -> Any:
    """Bind ``max_wait`` (seconds) to `function` if it has such a parameter."""
    takes = "max_wait" in inspect.signature(function).parameters
    return partial(function, max_wait=max_wait) if takes else function


@attrs.frozen(init=False)
class Webhook:
    """An inbound webhook: a URL that contains a user id and a secret code.

    Args:
        url: The URL as the portal shows it, such as ``https://example.bitrix24.com/rest/1/<code>/``. The trailing
            slash may be missing, and the portal's sample method (``profile.json``) may follow it.

    Raises:
        UsageError: The URL is invalid. The message does not repeat it, since it may contain the code.
    """

    scheme: str
    host: str
    _access: Access

    def __init__(self, url: str | Secret) -> None:
        __tracebackhide__ = True
        secret = url if isinstance(url, Secret) else Secret(url)
        del url
        parts = _parse(secret)
        if isinstance(parts, str):
            raise UsageError(f"{_SHAPE}; this one {parts}")
        scheme, host, base = parts
        code = Secret(base.reveal().rstrip("/").rpartition("/")[2])
        self.__attrs_init__(scheme, host, Access(base, hidden=(code,)))

    def access(self) -> Access:
        """Return the webhook's address, without a token."""
        return self._access

    def renew(self, refused: Access, connections: Connections) -> Renewal:
        """Return ``"none"``: the code of a webhook cannot be renewed."""
        del refused, connections
        return "none"

    def __repr__(self) -> str:
        return f"<Webhook of {getattr(self, 'host', 'nowhere')}>"


def _parse(secret: Secret) -> tuple[str, str, Secret] | str:
    """Return scheme, host and base address of a webhook URL, or a text that says what is wrong with it."""
    text: object = secret.reveal()
    if not isinstance(text, str):
        return f"is of type {type(text).__name__}"
    address = parse_address(text.strip())
    if isinstance(address, str):
        return address
    path = re.fullmatch(_PATH, address.path)
    if path is None:
        return "does not contain /rest/<user id>/<code>/"
    if path["user"] == "api":
        return "is for REST version 3; b24batch supports version 2"
    return address.scheme, address.host, Secret(f"{address._replace(path=path['base']).url}/")


def refuse_http(auth: Auth) -> None:
    """Raise `UsageError` if the credentials would be sent over a network unencrypted."""
    if auth.scheme != "https" and not is_loopback(auth.host):
        raise UsageError(
            f"http would send the credentials for {auth.host} unencrypted: use https, or pass allow_http=True"
        )

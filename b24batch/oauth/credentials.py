"""OAuth 2.0 credentials: a token that expires after an hour, and is renewed once for all its users."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import closing
from functools import partial
from typing import NoReturn, Self, TypedDict, Unpack

import requests

from b24batch.clock import Clock
from b24batch.errors import UsageError
from b24batch.oauth.authorisation import find_server_of_code, make_authorize_url, make_grant, store_authorised
from b24batch.oauth.newest import choose_first_token
from b24batch.oauth.renewal import RenewedToken
from b24batch.oauth.server import TIMEOUT, TokenServer
from b24batch.oauth.servers import TokenUrl
from b24batch.oauth.stores import MemoryTokenStore, TokenStore
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, to_secret
from b24batch.wire.addresses import to_hosts
from b24batch.wire.connections import Connections


class OAuth(RenewedToken):
    """The credentials of an application on one portal: a token that is renewed when it expires.

    A token is renewed 60 seconds before it expires, or when the portal refuses it. Threads that share this object or
    its store, and processes that share the store, renew it once and then all use the new token. The new token is
    stored before it is used, because the old refresh token is no longer valid. If it cannot be stored, it is kept in
    memory. Each call then tries to store it first, and raises a `TokenRefreshError` as long as that fails.

    Args:
        client_id: The application's id, ``local.…`` or ``app.…``.
        client_secret: The application's secret. It is sent only to the OAuth server, in the body of a POST.
        token: The first token, from the OAuth server or from your own storage, never from a form, which anyone can
            post. It replaces the stored token, as after a new authorisation, unless the store had it before, or it
            has expired and the stored one can be renewed. Default: the stored token.
        member_id: The portal whose token is in the store. Required if there is no `token`.
        store: Where tokens are kept. Default: in memory, until the process ends.
        on_refresh: Called with each new `Token` after it is stored, and before the call that needed it continues.
            Other threads may already use it. To save tokens, write a store instead.
        token_url: The URL of the OAuth server, if it is not one of Bitrix24's two; or a mapping from the host of a
            server to the URL at which it is reached. Default: Bitrix24's, by the token's ``server_endpoint``. A token
            that does not name its server is tried at both.
        allowed_hosts: Hosts that may lead to any address; all others are connected to only at a public address. Pass
            ``[]`` if the portal's host came from a form, also long ago, since a name can be pointed at your own
            network later. A placement, an installation and an event do so. ``localhost`` stands for this machine and
            any port. Default None: any host may lead anywhere.
        timeout: Seconds to connect to the OAuth server, and seconds between two bytes of its answer.
        clock: The clock. Default: the module `time`.

    Raises:
        UsageError: A value is invalid, or the store has no token of this portal.
    """

    __slots__ = ()

    def __init__(
        self,
        client_id: str,
        client_secret: str | Secret,
        token: Token | None = None,
        *,
        member_id: str | None = None,
        store: TokenStore | None = None,
        on_refresh: Callable[[Token], object] | None = None,
        token_url: TokenUrl = None,
        allowed_hosts: Collection[str] | None = None,
        timeout: tuple[float, float] = TIMEOUT,
        clock: Clock = time,
    ) -> None:
        __tracebackhide__ = True
        secret = to_secret(client_secret)
        del client_secret
        given: object = token
        if not isinstance(given, Token | None):
            kind = type(given).__name__
            del given, token
            raise UsageError(f"token: expected a b24batch.oauth.Token, got {kind}")
        server = TokenServer(client_id, secret, token_url, clock, timeout)
        member_id = token.member_id if token else member_id
        if not member_id:
            raise UsageError("expected a token, or a store and the member_id of a portal whose token is in it")
        store = MemoryTokenStore() if store is None else store
        first = choose_first_token(store, member_id, token, clock.time())
        server.find(first)  # before a call needs it
        allowed = None if allowed_hosts is None else to_hosts("allowed_hosts", allowed_hosts)
        self.__attrs_init__(member_id, server, first, store, on_refresh, allowed)

    @staticmethod
    def authorize_url(portal: str | None, client_id: str, *, state: str, region: str | None = None) -> str:
        """Return the URL to which an application sends the user's browser to get its first token.

        The portal redirects the browser back to the application with a ``code``, for `from_code`.

        Args:
            portal: The portal's host, ``example.bitrix24.com``. None if only the region is known: the OAuth server asks
                the user for the portal.
            client_id: The application's id.
            state: An unguessable text that you keep in the user's web session. It comes back with the code. Reject a
                code that comes with another one.
            region: The portal's region, such as ``de``, instead of a portal: two or three letters. The regions ``ru``,
                ``am``, ``az``, ``ge``, ``kz``, ``kg``, ``uz`` and ``by`` have the server ``oauth.bitrix24.tech``. Every
                other one, also one that Bitrix24 does not know, has ``oauth.bitrix.info``, as in Bitrix24's own code.

        Raises:
            UsageError: The portal is not a host name, the region is not two or three letters, or a value is empty.
        """
        return make_authorize_url(portal, client_id, state, region)

    @classmethod
    def from_code(
        cls,
        client_id: str,
        client_secret: str | Secret,
        code: str | Secret,
        *,
        server_domain: str | None = None,
        region: str | None = None,
        portal: str | None = None,
        http: requests.Session | None = None,
        **options: Unpack[OAuthOptions],
    ) -> Self:
        """Exchange an authorisation code for credentials. A code is valid for 30 seconds.

        Args:
            client_id: The application's id.
            client_secret: The application's secret.
            code: The code that came back with the browser.
            server_domain: The OAuth server that issued the code, as it came back with the browser.
            region: The portal's region, as in `authorize_url`, if the ``server_domain`` is not known.
            portal: The portal's host, if the region is not known either; in the cloud it ends in the region. Default
                of all three: ``oauth.bitrix24.tech``.
            http: Your own `requests.Session`, for proxies or a CA bundle.
            options: ``store``, ``on_refresh``, ``token_url``, ``allowed_hosts``, ``timeout`` and ``clock`` of the
                class.

        Raises:
            UsageError: The server is unknown, or the region is not two or three letters. The code is still unused.
            NotSent: The OAuth server is unreachable. The code is still unused.
            TokenRefreshError: The server refused the code, its answer was lost twice, or the token could not be
                stored.
        """
        secret, grant = to_secret(client_secret), make_grant(to_secret(code, "code"))
        del client_secret, code
        if unknown := sorted(options.keys() - OAuthOptions.__annotations__.keys()):
            del options  # or a traceback from here would show them; this is checked before the code is used up
            raise TypeError(f"OAuth.from_code() got an unexpected keyword argument {unknown[0]!r}")
        clock, timeout = options.get("clock", time), options.get("timeout", TIMEOUT)
        server = TokenServer(client_id, secret, options.get("token_url"), clock, timeout)
        at = find_server_of_code(server, server_domain, region, portal)
        keep = partial(store_authorised, options.get("store"))
        with closing(Connections(time.monotonic, http)) as connections:
            token = server.exchange(grant, connections, keep, at=at)
        return cls(client_id, secret, token, **options)

    def refresh(self, *, http: requests.Session | None = None) -> Token:
        """Renew the token now, and return it.

        A session renews tokens automatically. Call this once for a token that was posted to the application: what the
        OAuth server returns proves the portal, while a form can name any portal.

        Args:
            http: Your own `requests.Session`, for proxies or a CA bundle.

        Raises:
            NotSent: The OAuth server is unreachable.
            TokenRefreshError: There is no new token, or it belongs to another portal.
        """
        with closing(Connections(time.monotonic, http)) as connections:
            self.renew(self.access(), connections)
        return self._token

    def __repr__(self) -> str:
        return f"<OAuth of {self.host}>" if hasattr(self, "_token") else "<OAuth>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle an OAuth: it holds secrets; create one in each process, with a shared store")


class OAuthOptions(TypedDict, total=False):
    """The options that `OAuth.from_code` and `OAuth` have in common."""

    store: TokenStore | None
    on_refresh: Callable[[Token], object] | None
    token_url: TokenUrl
    allowed_hosts: Collection[str] | None
    timeout: tuple[float, float]
    clock: Clock

"""OAuth 2.0: tokens that expire every hour, and are renewed once for all who use them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn, Self, TypedDict, Unpack
from urllib.parse import urlencode

import attrs
import requests

from b24batch.clock import Clock
from b24batch.errors import UsageError
from b24batch.oauth.interrupts import is_interrupt
from b24batch.oauth.newest import first_token, not_stored
from b24batch.oauth.renewal import MARGIN, RenewedToken
from b24batch.oauth.server import TIMEOUT, TOKEN_URL, TokenServer
from b24batch.oauth.stores import MemoryTokenStore, TokenStore
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, to_secret
from b24batch.wire.addresses import http_address
from b24batch.wire.connections import Connections

__all__ = ["MARGIN", "OAuth", "OAuthOptions"]


@attrs.define(eq=False, init=False, repr=False)
class OAuth(RenewedToken):
    """The credentials of an application on one portal: a token, which is renewed when it expires.

    A token is renewed 60 seconds before it expires, or when the portal refuses it. Threads that share this object
    or its store, and processes that share the store, renew it once: who comes second takes the first one's. The
    new token is stored before it is used, since the refresh token before it is worth nothing then. When it cannot be
    stored it is kept, each call tries to store it first, and raises a `TokenRefreshError` as long as that fails.

    Args:
        client_id: Of the application, ``local.…`` or ``app.…``.
        client_secret: Of the application. It goes only to the OAuth server, in the body of a POST.
        token: The first one, from the OAuth server or from what the program itself kept, never from a form that
            anybody can post. It takes the place of the store's, as a new authorisation does, unless the store had it
            before, or it has expired where the store's can be renewed. Default: the store's.
        member_id: The portal whose token the store has; wanted when no `token` is given.
        store: Where tokens are kept. Default: in memory, lost with the process.
        on_refresh: Called with each new `b24batch.oauth.tokens.Token` once it is stored, before the call that needed it
            goes on; other threads may use it already. To keep tokens, write a store.
        token_url: The OAuth server's, default that of Bitrix24.
        timeout: Seconds to connect to the OAuth server, and between two bytes of its answer.
        clock: What tells the time; default the module `time`.

    Raises:
        UsageError: A value is invalid, or the store has no token of this portal.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | Secret,
        token: Token | None = None,
        *,
        member_id: str | None = None,
        store: TokenStore | None = None,
        on_refresh: Callable[[Token], object] | None = None,
        token_url: str = TOKEN_URL,
        timeout: tuple[float, float] = TIMEOUT,
        clock: Clock = time,
    ) -> None:
        secret = to_secret(client_secret)
        del client_secret
        given: object = token
        if not isinstance(given, Token | None):
            kind = type(given).__name__
            del given, token
            raise UsageError(f"a token is a b24batch.oauth.tokens.Token, not a {kind}")
        server = TokenServer(client_id, secret, token_url, clock, timeout)
        member_id = token.member_id if token else member_id
        if not member_id:
            raise UsageError("an OAuth is made with a token, or with a store and the member_id of a portal in it")
        store = MemoryTokenStore() if store is None else store
        first = first_token(store, member_id, token, clock.time())
        self.__attrs_init__(member_id, server, first, store, on_refresh)

    @staticmethod
    def authorize_url(portal: str, client_id: str, *, state: str) -> str:
        """Return the address to which an application sends a browser for its first token.

        The portal sends the browser back to the application's own address with a ``code``, for `from_code`.

        Args:
            portal: The portal's host, ``example.bitrix24.com``.
            client_id: Of the application.
            state: A text that nobody can guess, kept in the user's web session: it comes back with the code, and
                a code that comes with another one was not asked for.

        Raises:
            UsageError: The portal is no host, or one of the texts is empty.
        """
        for name, text in (("portal", portal), ("client_id", client_id), ("state", state)):
            if not isinstance(text, str) or not text:
                raise UsageError(f"a {name} is text, and not empty")
        address = http_address(f"https://{portal}")
        if isinstance(address, str) or address.path:
            raise UsageError("a portal is named by its host, such as example.bitrix24.com")
        return f"https://{address.host}/oauth/authorize/?{urlencode({'client_id': client_id, 'state': state})}"

    @classmethod
    def from_code(
        cls,
        client_id: str,
        client_secret: str | Secret,
        code: str | Secret,
        *,
        http: requests.Session | None = None,
        **options: Unpack[OAuthOptions],
    ) -> Self:
        """Return the credentials that an authorisation code is worth, within 30 seconds of its making.

        Args:
            client_id: Of the application.
            client_secret: Of the application.
            code: What came back with the browser.
            http: One's own `requests.Session`, for proxies or a CA bundle.
            options: ``store``, ``on_refresh``, ``token_url``, ``timeout`` and ``clock`` of the class.

        Raises:
            NotSent: The OAuth server could not be reached; the code is as good as before.
            TokenRefreshError: It refused the code, its answer was lost twice, or the token could not be stored.
        """
        secret, grant = to_secret(client_secret), _grant_of(to_secret(code, "a code"))
        del client_secret, code
        url, timeout = options.get("token_url", TOKEN_URL), options.get("timeout", TIMEOUT)
        server = TokenServer(client_id, secret, url, options.get("clock", time), timeout)
        connections = Connections(time.monotonic, http)
        try:
            token = server.token(grant, connections)
        finally:
            connections.close()
        store = options.get("store")
        if store is not None:
            _authorised(store, token)
        return cls(client_id, secret, token, **options)

    def refresh(self, *, http: requests.Session | None = None) -> Token:
        """Renew the token now, and return it.

        A session does this by itself. An application does it once for a token that was posted to it: what the
        OAuth server returns is proof of the portal, where a form can claim any.

        Args:
            http: One's own `requests.Session`, for proxies or a CA bundle.

        Raises:
            NotSent: The OAuth server could not be reached.
            TokenRefreshError: There will be no other token, or it is another portal's.
        """
        connections = Connections(time.monotonic, http)
        try:
            self.renew(self.access(), connections)
        finally:
            connections.close()
        return self._token

    def __repr__(self) -> str:
        return f"<OAuth of {self.host}>" if hasattr(self, "_token") else "<OAuth>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an OAuth is not pickled: it holds secrets; make one in each process, with a shared store")


class OAuthOptions(TypedDict, total=False):
    """The options of `OAuth.from_code` that are those of `OAuth`."""

    store: TokenStore | None
    on_refresh: Callable[[Token], object] | None
    token_url: str
    timeout: tuple[float, float]
    clock: Clock


def _grant_of(code: Secret) -> dict[str, Secret]:
    return {"grant_type": Secret("authorization_code"), "code": code}


def _authorised(store: TokenStore, token: Token) -> None:
    """Store a token whatever was there: a user has just authorised the application."""
    try:
        with store.lock(token.member_id):
            store.put(token)
        return
    except Exception as error:
        failure = error if is_interrupt(error) else not_stored(token, error)
    raise failure

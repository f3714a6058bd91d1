"""OAuth 2.0: tokens that expire every hour, and are renewed once for all who use them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Self, TypedDict, Unpack
from urllib.parse import urlencode

import attrs
import requests

from b24batch.addresses import http_address
from b24batch.auth import Access, Renewal, Secret
from b24batch.connections import Connections
from b24batch.errors import SdkError, TokenRefreshError, UsageError
from b24batch.interrupts import is_interrupt
from b24batch.limits import Clock
from b24batch.newest import first_token, not_stored, refuse_stranger
from b24batch.token_server import AGAIN, SPENT, TOKEN_URL, TokenServer, spent, to_secret
from b24batch.tokens import MemoryTokenStore, Token, TokenStore, locked

#: A token is renewed so many seconds before it expires, so that it does not expire on its way.
MARGIN = 60.0


@attrs.define(eq=False, init=False, repr=False)
class OAuth:
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
        on_refresh: Called with each new `b24batch.tokens.Token` once it is stored, before the call that needed it goes
            on; other threads may use it already. To keep tokens, write a store.
        token_url: The OAuth server's, default that of Bitrix24.
        clock: What tells the time; default the module `time`.

    Raises:
        UsageError: For values that cannot be, or a store that has no token of this portal.
    """

    member_id: str
    _server: TokenServer
    _token: Token
    _store: TokenStore
    _on_refresh: Callable[[Token], object] | None
    #: The last renewal that failed; who waited for it fails like it.
    _failure: SdkError | None
    #: The access token that is not known to be in the store, and the one that it takes the place of there.
    _unstored: dict[Secret, Secret]

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
        clock: Clock = time,
    ) -> None:
        secret = to_secret(client_secret)
        del client_secret
        given: object = token
        if not isinstance(given, Token | None):
            kind = type(given).__name__
            del given, token
            raise UsageError(f"a token is a b24batch.tokens.Token, not a {kind}")
        server = TokenServer(client_id, secret, token_url, clock)
        member_id = token.member_id if token else member_id
        if not member_id:
            raise UsageError("an OAuth is made with a token, or with a store and the member_id of a portal in it")
        store = MemoryTokenStore() if store is None else store
        first = first_token(store, member_id, token, clock.time())
        self.__attrs_init__(member_id, server, first, store, on_refresh, None, {})

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
            options: ``store``, ``on_refresh``, ``token_url`` and ``clock`` of the class.

        Raises:
            NotSent: The OAuth server could not be reached; the code is as good as before.
            TokenRefreshError: It refused the code, its answer was lost twice, or the token could not be stored.
        """
        secret, grant = to_secret(client_secret), _grant_of(to_secret(code, "a code"))
        del client_secret, code
        server = TokenServer(client_id, secret, options.get("token_url", TOKEN_URL), options.get("clock", time))
        connections = Connections(time.monotonic, http)
        try:
            token = server.token(grant, connections, lambda token: None)  # noqa: ARG005
        finally:
            connections.close()
        store = options.get("store")
        if store is not None:
            _authorised(store, token)
        return cls(client_id, secret, token, **options)

    @property
    def host(self) -> str:
        """The portal's host, with its port if it has one."""
        return self._token.address.host

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""
        return self._token.address.scheme

    def access(self) -> Access:
        """Return the present token, and whether it has to be renewed, or stored, before it is used."""
        token = self._token
        stale = bool(self._unstored) or self._is_stale(token)
        return Access(Secret(token.client_endpoint), token.access_token, stale)

    def renew(self, refused: Access, connections: Connections, max_wait: float | None = None) -> Renewal:
        """Get a newer token than the one that was refused, from the store or from the OAuth server.

        Args:
            refused: What was refused, or is `Access.stale`.
            connections: What a request to the OAuth server travels on.
            max_wait: The most seconds to wait for another process that has the store, where the store can tell.

        Raises:
            NotSent: The OAuth server could not be reached.
            TokenRefreshError: There will be no other token: authorise the application again. When it is `temporary`:
                the OAuth server or the store fails.
        """
        before = self._failure
        try:
            with locked(self._store, self.member_id, max_wait):
                renewal = self._renewed(refused, connections, before)
                token = self._token
        except Exception as error:
            failure = self._explained(error)
        else:
            if self._unstored.pop(token.access_token, None) is not None and self._on_refresh is not None:
                self._on_refresh(token)
            return renewal
        raise failure

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

    def _is_stale(self, token: Token) -> bool:
        return self._server.clock.time() > token.expires - MARGIN

    @property
    def is_stored(self) -> bool:
        """Whether the token in use is in the store; False after the store has failed, until a later call."""
        return not self._unstored

    def _renewed(self, refused: Access, connections: Connections, before: SdkError | None) -> Renewal:
        if self._unstored and self._store_again():
            return "taken"
        token = self._stored()
        if (refused.stale or token.access_token != refused.token) and not self._is_stale(token):
            self._token = token
            return "taken"
        failure = self._failure
        if failure is not None and failure is not before:  # it failed for somebody while this one waited
            raise copy.copy(failure)
        self._refresh(token, connections)
        return "refreshed"

    def _store_again(self) -> bool:
        """Store the token whose `put` failed, if the store still has the one before it; return whether it did."""
        stored = self._store.get(self.member_id)
        if stored is None or stored.access_token == self._unstored.get(self._token.access_token):
            self._store.put(self._token)
            return True
        if stored.access_token != self._token.access_token:  # somebody has authorised the application again
            self._unstored.clear()
        return stored.access_token == self._token.access_token

    def _stored(self) -> Token:
        token = self._store.get(self.member_id)
        if token is None:
            raise TokenRefreshError(f"the store has no token of {self.member_id}; {AGAIN}")
        is_spent = self._token.refresh_token is None and self._token.access_token == token.access_token
        return self._token if is_spent else token

    def _refresh(self, token: Token, connections: Connections) -> None:
        """Ask for the token's successor and store it, also when the program is interrupted once it is there."""
        putting = False
        try:
            self._ask(token, connections)
            putting = True
            self._store.put(self._token)
        except BaseException as error:
            if self._unstored and (is_interrupt(error) or not putting):
                with suppress(Exception):  # it stays among the unstored
                    self._store.put(self._token)
            raise

    def _ask(self, token: Token, connections: Connections) -> None:
        def keep(new: Token) -> None:
            refuse_stranger(new, token)
            self._unstored[new.access_token] = token.access_token
            self._token = new

        try:
            if token.refresh_token is None:
                raise spent()
            grant = {"grant_type": Secret("refresh_token"), "refresh_token": token.refresh_token}
            self._server.token(grant, connections, keep)
            return
        except SdkError as error:
            failure = error
        if failure.code == SPENT and token.refresh_token is not None:
            self._note_spent(token)
        self._failure = copy.copy(failure)
        raise failure

    def _note_spent(self, token: Token) -> None:
        """Let nobody who has the store ask for this token again: the OAuth server blocks who asks too often."""
        self._token = attrs.evolve(token, refresh_token=None)
        with suppress(Exception):
            self._store.put(self._token)

    def _explained(self, error: Exception) -> Exception:
        return not_stored(self._token, error) if self._unstored and not is_interrupt(error) else error

    def __repr__(self) -> str:
        return f"<OAuth of {self.host}>" if hasattr(self, "_token") else "<OAuth>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an OAuth is not pickled: it holds secrets; make one in each process, with a shared store")


class OAuthOptions(TypedDict, total=False):
    """The options of `OAuth.from_code` that are those of `OAuth`."""

    store: TokenStore | None
    on_refresh: Callable[[Token], object] | None
    token_url: str
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

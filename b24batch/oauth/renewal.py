"""The token in use: renewed once for all users of its store, and stored before it is used."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress

import attrs

from b24batch.errors import SdkError, TokenRefreshError
from b24batch.oauth.exchanges import Exchanges
from b24batch.oauth.interrupts import is_interrupt
from b24batch.oauth.newest import not_stored_error, refuse_stranger
from b24batch.oauth.server import AGAIN, SPENT, TokenServer, spent_error
from b24batch.oauth.stores import TokenStore, lock_store
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.wire.addresses import HttpAddress, is_allowed, is_loopback
from b24batch.wire.auth import Access, Renewal
from b24batch.wire.connections import Connections

#: A token is renewed this many seconds before it expires, so that it does not expire during a request.
MARGIN = 60.0


@attrs.define(eq=False, init=False, repr=False)
class RenewedToken:
    """A token, its store, and the server that renews it.

    Attributes:
        member_id: The portal's id.
    """

    member_id: str
    _server: TokenServer
    _token: Token
    _store: TokenStore
    _on_refresh: Callable[[Token], object] | None
    #: The hosts that may lead to a private address; None for all.
    _allowed_hosts: frozenset[str] | None
    _exchanges: Exchanges = attrs.field(init=False)
    #: The error of the last failed renewal; threads that waited for it raise the same.
    _failure: SdkError | None = attrs.field(default=None, init=False)
    #: The access token that may not be stored, and the stored one that it replaces.
    _unstored: dict[Secret, Secret] = attrs.field(factory=dict, init=False)

    @_exchanges.default
    def _make_exchanges(self) -> Exchanges:
        return Exchanges(self._server)

    @property
    def token(self) -> Token:
        """The token in use."""
        return self._token

    @property
    def host(self) -> str:
        """The portal's host, with its port if it has one."""
        return self._token.address.host

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""
        return self._token.address.scheme

    def access(self) -> Access:
        """Return the current token, and whether it has to be renewed or stored before it is used."""
        token = self._token
        stale = bool(self._unstored) or self._is_stale(token)
        hidden = tuple(filter(None, (token.refresh_token, self._server.client_secret)))
        public_only = self._allowed_hosts is not None and not self._may_be_private(token.address, self._allowed_hosts)
        return Access(Secret(token.client_endpoint), token.access_token, stale, hidden, public_only)

    def _may_be_private(self, address: HttpAddress, allowed: frozenset[str]) -> bool:
        return is_allowed(address, allowed) or ("localhost" in allowed and is_loopback(address.host))

    def renew(self, refused: Access, connections: Connections, max_wait: float | None = None) -> Renewal:
        """Get a newer token than the refused one, from the store or from the OAuth server.

        Args:
            refused: The access that was refused, or is `Access.stale`.
            connections: The connections for a request to the OAuth server.
            max_wait: The longest wait in seconds for a store that another process has locked, if the store supports it.

        Raises:
            NotSent: The OAuth server is unreachable.
            TokenRefreshError: There is no new token: authorise the application again. If `temporary`, the OAuth server
                or the store failed.
        """
        before = self._failure
        try:
            with lock_store(self._store, self.member_id, max_wait):
                renewal = self._renew_locked(refused, connections, before)
                token = self._token
        except Exception as error:
            failure = self._explain(error)
        else:
            if self._unstored.pop(token.access_token, None) is not None and self._on_refresh is not None:
                self._on_refresh(token)
            return renewal
        raise failure

    def _is_stale(self, token: Token) -> bool:
        return self._server.clock.time() > token.expires - MARGIN

    @property
    def is_stored(self) -> bool:
        """Whether the token in use is stored; False after the store has failed, until a later call stores it."""
        return not self._unstored

    def _renew_locked(self, refused: Access, connections: Connections, before: SdkError | None) -> Renewal:
        if self._unstored and self._store_again():
            return "taken"
        token = self._read_stored()
        if (refused.stale or token.access_token != refused.token) and not self._is_stale(token):
            self._token = token
            return "taken"
        failure = self._failure
        if failure is not None and failure is not before:  # it failed in another thread while this one waited
            raise copy.copy(failure)
        self._refresh(token, connections)
        return "refreshed"

    def _store_again(self) -> bool:
        """Store the token whose `put` failed, if the store still has its predecessor; return whether it is stored."""
        stored = self._store.get(self.member_id)
        if stored is None or stored.access_token == self._unstored.get(self._token.access_token):
            self._store.put(self._token)
            return True
        if stored.access_token != self._token.access_token:  # the application was authorised again
            self._unstored.clear()
        return stored.access_token == self._token.access_token

    def _read_stored(self) -> Token:
        token = self._store.get(self.member_id)
        if token is None:
            raise TokenRefreshError(f"the store has no token of {self.member_id}; {AGAIN}")
        is_spent = self._token.refresh_token is None and self._token.access_token == token.access_token
        return self._token if is_spent else token

    def _refresh(self, token: Token, connections: Connections) -> None:
        """Get the next token and store it, even if the program is interrupted after it has arrived."""
        putting = False
        try:
            self._ask(token, connections)
            putting = True
            self._store.put(self._token)
        except BaseException as error:
            if self._unstored and (is_interrupt(error) or not putting):
                with suppress(Exception):  # it stays in `_unstored`
                    self._store.put(self._token)
            raise

    def _ask(self, token: Token, connections: Connections) -> None:
        def keep(new: Token) -> None:
            """Remember a new token of the same portal, as one that is not stored yet."""
            refuse_stranger(new, token)
            self._unstored[new.access_token] = token.access_token
            self._token = new

        try:
            if token.refresh_token is None:
                raise spent_error()
            grant = {"grant_type": Secret("refresh_token"), "refresh_token": token.refresh_token}
            return self._exchanges.run(grant, self._server.find(token), connections, keep)
        except SdkError as error:
            failure = error
        if failure.code == SPENT and token.refresh_token is not None:
            self._note_spent(token)
        self._failure = copy.copy(failure)
        raise failure

    def _note_spent(self, token: Token) -> None:
        """Remove the refresh token from the store: the OAuth server blocks applications that ask too often."""
        self._token = attrs.evolve(token, refresh_token=None)
        with suppress(Exception):
            self._store.put(self._token)

    def _explain(self, error: Exception) -> Exception:
        return not_stored_error(self._token, error) if self._unstored and not is_interrupt(error) else error

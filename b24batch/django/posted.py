"""Forms that a portal posts to a view: read and verify them, and make a session for each."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress

import attrs
from django.http import HttpRequest, QueryDict

from b24batch.django.conf import Config
from b24batch.django.sessions import forget, get_session, open_session, session_for
from b24batch.django.stores import DjangoTokenStore, get_store
from b24batch.errors import AuthError, TokenRefreshError
from b24batch.oauth.forms import Form
from b24batch.oauth.installations import Install
from b24batch.oauth.posted import Event, Placement, is_equal
from b24batch.oauth.server import AGAIN
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.session import Session
from b24batch.wire.auth import Access, Renewal
from b24batch.wire.connections import Connections

#: The answer to the events of a portal that is not installed, or whose installation is not complete.
_UNKNOWN = (
    "no application token is known for this portal: it comes with the event ONAPPINSTALL, "
    "which has to be bound to the view with install_view"
)

#: Limits for the portal of an installation, since anyone can post a form that names a slow one. In seconds.
_MAX_WAIT, _TIMEOUT, _DEADLINE, _ATTEMPTS = 5.0, (5.0, 10.0), 10.0, 2


def _read_form(request: HttpRequest) -> QueryDict:
    """Return query and body together; a placement has some of its fields in the query."""
    form = request.GET.copy()
    form.update(request.POST)
    return form


def read_placement(request: HttpRequest, config: Config) -> Placement:
    """Return the placement in a form."""
    return Placement.from_form(_read_form(request), **config.form_options)


def open_placement_session(placement: Placement, config: Config) -> Session:
    """Return a session of the user who opened the page."""
    return open_session(config, lambda: placement.oauth(**config.get_application()))


def read_event(request: HttpRequest, config: Config) -> Event:
    """Return the event in a form; its application token must be the portal's."""
    options = config.form_options
    expected = _find_application_token(Form(request.POST).read_text("auth[member_id]"), config)
    if expected is None:
        raise AuthError(_UNKNOWN)
    return Event.from_form(request.POST, application_token=expected, **options)


def _find_application_token(member_id: str, config: Config) -> Secret | None:
    if config.is_webhook or "APPLICATION_TOKEN" in config:
        return config.get_secret("APPLICATION_TOKEN")
    return get_store(config).application_token(member_id)


def open_event_session(event: Event, config: Config) -> AbstractContextManager[Session]:
    """Return a session for the event's portal, with the token of the installation if there is one."""
    if config.is_webhook:
        return nullcontext(get_session(config.alias))
    if get_store(config).get(event.member_id) is not None:
        return nullcontext(session_for(event.member_id, config.alias))
    if event.token is None:
        return open_session(config, lambda: _NoToken(event.member_id))
    return open_session(config, lambda: event.oauth(**config.get_application()))


@attrs.frozen
class _NoToken:
    """Credentials for a portal without a token: every call raises `TokenRefreshError`."""

    member_id: str
    host: str = "portal.invalid"
    scheme: str = "https"

    def access(self) -> Access:
        """Raise `TokenRefreshError`."""
        raise TokenRefreshError(f"neither the event nor the database has a token for {self.member_id}; {AGAIN}")

    def renew(self, refused: Access, connections: Connections) -> Renewal:
        """Return ``"none"``: there is no token to renew."""
        del refused, connections
        return "none"


def complete_install(request: HttpRequest, config: Config) -> Install:
    """Return the installation in a form, once it is verified and stored."""
    install = Install.from_form(_read_form(request), **config.form_options)
    _refuse_users(install, config)
    store = get_store(config)
    with store.lock(install.token.member_id):  # before the token is used up, since the new one has to be stored
        if _is_proven(install, store):
            return attrs.evolve(install, token=attrs.evolve(install.token, refresh_token=None))
        token = _prove(install, config, store)
    forget(token.member_id)
    return attrs.evolve(install, token=token)


def _is_proven(install: Install, store: DjangoTokenStore) -> bool:
    """Return whether this form was proven before: a reload posts it again, after its refresh token is used up.

    It is known by its access token alone. That must not be enough to get a newer token, or to replace the application
    token, with which events can be forged.
    """
    stored = store.get(install.token.member_id)
    if stored is None or stored.refresh_token is None or stored.address.host != install.token.address.host:
        return False
    return store.has_replaced(install.token) and _is_known(install.application_token, store, stored.member_id)


def _is_known(given: Secret | None, store: DjangoTokenStore, member_id: str) -> bool:
    known = store.application_token(member_id)
    return given is None or (known is not None and is_equal(given, known))


def _refuse_users(install: Install, config: Config) -> None:
    """Raise `AuthError` unless the posted token is an administrator's; this does not use up the token."""
    asking = attrs.evolve(install, token=attrs.evolve(install.token, refresh_token=None))
    oauth = asking.oauth(**config.get_application())
    with open_session(config, lambda: oauth) as session:
        retries = attrs.evolve(session.retries, attempts=min(session.retries.attempts, _ATTEMPTS))
        asked = session.with_options(retries=retries, max_wait=_MAX_WAIT, timeout=_TIMEOUT, deadline=_DEADLINE)
        if asked.call("user.admin").data is not True:
            raise AuthError("the token is not an administrator's: only an administrator can install an application")


def _prove(install: Install, config: Config, store: DjangoTokenStore) -> Token:
    """Exchange the posted token for a new one at the OAuth server, which uses up the posted one, and store that."""
    oauth = install.oauth(**config.get_application())
    try:
        token = oauth.refresh()
        _store(token, install, store)
    except BaseException:
        with suppress(Exception):  # after an interrupt a new token may be there, which would be lost
            _store(oauth.token, install, store)
        raise
    if not _is_same_host(token, install):
        raise AuthError("the token and the form are from different portals")
    return token


def _store(token: Token, install: Install, store: DjangoTokenStore) -> None:
    """Store the token of the OAuth server; not the posted one, nor that of another host."""
    if token.access_token != install.token.access_token and _is_same_host(token, install):
        store.put(token, install.application_token, exchanged=install.token.access_token)


def _is_same_host(token: Token, install: Install) -> bool:
    return token.address.host == install.token.address.host


def open_install_session(install: Install, config: Config) -> AbstractContextManager[Session]:
    """Return the session for a portal that has just installed the application."""
    return nullcontext(session_for(install.token.member_id, config.alias))

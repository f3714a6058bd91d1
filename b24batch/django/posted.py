"""What a portal posts to a view: the form is read and proven, and a session is made for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import attrs
from django.http import HttpRequest, QueryDict

from b24batch.django.conf import Config
from b24batch.django.sessions import forget, get_session, opened, session_for, store_of
from b24batch.errors import AuthError, TokenRefreshError, UsageError
from b24batch.oauth.posted import Event, Install, Placement
from b24batch.oauth.server import AGAIN
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.session import Session
from b24batch.wire.auth import Access, Renewal
from b24batch.wire.connections import Connections

#: How long the portal of an installation may take: anybody can post its name. Seconds, but for the attempts.
_MAX_WAIT, _TIMEOUT, _DEADLINE, _ATTEMPTS = 5.0, (5.0, 10.0), 10.0, 2


def _form(request: HttpRequest) -> QueryDict:
    """Return query and body together; of a placement some fields are in the query."""
    form = request.GET.copy()
    form.update(request.POST)
    return form


def placement(request: HttpRequest, config: Config) -> Placement:
    """Return the placement in a form."""
    return Placement.from_form(_form(request), allow_loopback=config.allow_loopback)


def session_of_placement(placement: Placement, config: Config) -> Session:
    """Return a session of the user who opened the page."""
    return opened(config, lambda: placement.oauth(*config.application(), token_url=config.token_url))


def event(request: HttpRequest, config: Config) -> Event:
    """Return the event in a form, whose application token is the portal's."""
    member_id = request.POST.get("auth[member_id]")
    if not member_id:
        raise UsageError("auth[member_id] is missing")
    expected = _application_token(member_id, config)
    if expected is None:
        raise AuthError("the application token is not this portal's")
    return Event.from_form(request.POST, application_token=expected, allow_loopback=config.allow_loopback)


def _application_token(member_id: str, config: Config) -> Secret | None:
    if config.is_webhook or "APPLICATION_TOKEN" in config:
        return config.secret("APPLICATION_TOKEN")
    return store_of(config).application_token(member_id)


def session_of_event(event: Event, config: Config) -> AbstractContextManager[Session]:
    """Return a session of the event's portal, of the installation where it can be."""
    if config.is_webhook:
        return nullcontext(get_session(config.alias))
    if store_of(config).get(event.member_id) is not None:
        return nullcontext(session_for(event.member_id, config.alias))
    if event.token is None:
        return opened(config, lambda: _NoToken(event.member_id))
    return opened(config, lambda: event.oauth(*config.application(), token_url=config.token_url))


@attrs.frozen
class _NoToken:
    """The credentials for a portal that has given none: every call says so."""

    member_id: str
    host: str = "portal.invalid"
    scheme: str = "https"

    def access(self) -> Access:
        """Say that there is none."""
        raise TokenRefreshError(f"neither the event nor the database has a token of {self.member_id}; {AGAIN}")

    def renew(self, refused: Access, connections: Connections) -> Renewal:
        """Return that it cannot be."""
        del refused, connections
        return "none"


def install(request: HttpRequest, config: Config) -> Install:
    """Return an installation, proven and stored."""
    install = Install.from_form(request.POST, allow_loopback=config.allow_loopback)
    _refuse_users(install, config)
    store = store_of(config)
    with store.lock(install.token.member_id):  # before the token is spent, since its successor has to be stored
        token = _proven(install, config)
        store.put(token, install.application_token)
    forget(token.member_id)
    return attrs.evolve(install, token=token)


def _refuse_users(install: Install, config: Config) -> None:
    """Raise unless the posted token is an administrator's; it is not renewed for this, and so not spent."""
    asking = attrs.evolve(install, token=attrs.evolve(install.token, refresh_token=None))
    oauth = asking.oauth(*config.application(), token_url=config.token_url)
    with opened(config, lambda: oauth) as session:
        retries = attrs.evolve(session.retries, attempts=min(session.retries.attempts, _ATTEMPTS))
        asked = session.with_options(retries=retries, max_wait=_MAX_WAIT, timeout=_TIMEOUT, deadline=_DEADLINE)
        if asked.call("user.admin").data is not True:
            raise AuthError("the token is not an administrator's, and only they install applications")


def _proven(install: Install, config: Config) -> Token:
    """Return the token that the OAuth server gives for the posted one, which is spent with it."""
    token = install.oauth(*config.application(), token_url=config.token_url).refresh()
    if token.address.host != install.token.address.host:
        raise AuthError("the token is of another portal than the form")
    return token


def session_of_install(install: Install, config: Config) -> AbstractContextManager[Session]:
    """Return the session of a portal that has just installed the application."""
    return nullcontext(session_for(install.token.member_id, config.alias))

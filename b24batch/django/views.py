"""Decorators of the views that a portal posts to; each hands its view a session of that portal."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

import attrs
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden, QueryDict
from django.views.debug import get_default_exception_reporter_filter
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from b24batch.application import Event, Install, Placement
from b24batch.auth import Secret
from b24batch.django.conf import Config, configured
from b24batch.django.sessions import get_session, opened, session_for, store_of
from b24batch.errors import AuthError, TokenRefreshError, UsageError
from b24batch.session import Session

View: TypeAlias = Callable[..., HttpResponse]


def placement_view(view: View | None = None, *, alias: str = "default") -> Any:
    """Make a view the page of a placement: it is called with request, session and `b24batch.application.Placement`.

    The session has the token of the user who opened the page. Nothing of it is stored, since a form can claim to be
    of any portal: only what the session answers is true, of the host ``placement.token.address.host``. The session
    ends with the view. The page may be framed, and is exempt from the CSRF check.

    Anything but a POST is answered 405, a form that is no placement 400. The view must be a sync one, and anything it
    raises is its own.

    Args:
        view: The view; or leave it out, ``@placement_view(alias=...)``.
        alias: Of the application in the setting ``B24BATCH``.

    Raises:
        TypeError: The view is async.
    """
    return _decorated(view, _Posting(alias, _placement, _session_of_placement), frame=True)


def event_view(view: View | None = None, *, alias: str = "default") -> Any:
    """Make a view the handler of events: it is called with request, session and `b24batch.application.Event`.

    The session is `session_for` the portal; for a webhook's alias it is `get_session`, and for a portal that is known
    by the setting ``APPLICATION_TOKEN`` alone it has the token of the event. The view is exempt from the CSRF check.

    Anything but a POST is answered 405, a form that is no event 400, an event with another application token than
    the portal's, or of a portal without one, 403.

    Args:
        view: As in `placement_view`.
        alias: Of the application in the setting ``B24BATCH``.

    Raises:
        TypeError: The view is async.
    """
    return _decorated(view, _Posting(alias, _event, _session_of_event))


def install_view(view: View | None = None, *, alias: str = "default") -> Any:
    """Make a view the handler of ONAPPINSTALL: it is called with request, session and `b24batch.application.Install`.

    Before, the posted token is renewed: that the OAuth server does so is proof of the portal. The portal is asked
    whether it is an administrator's (``user.admin``), since any user who opens a placement has a token. The new one and
    the application token are stored at once, whatever becomes of the view. It is exempt from the CSRF check.

    Anything but a POST is answered 405, a form that is no installation 400, a token that the OAuth server refuses or
    that is no administrator's 403.

    Args:
        view: As in `placement_view`.
        alias: Of the application in the setting ``B24BATCH``.

    Raises:
        TypeError: The view is async.
    """
    return _decorated(view, _Posting(alias, _install, _session_of_install))


@attrs.frozen
class _Posting:
    """How a form becomes what the view gets.

    Attributes:
        alias: Of the settings.
        read: Returns what was posted; raises for what is refused.
        session: Returns the session for it, which closes with the view unless others have it too.
    """

    alias: str
    read: Callable[[HttpRequest, Config], Any]
    session: Callable[[Any, Config], AbstractContextManager[Session]]


def _decorated(view: View | None, posting: _Posting, *, frame: bool = False) -> Any:
    if view is None:
        return functools.partial(_decorated, posting=posting, frame=frame)
    if iscoroutinefunction(view):
        raise TypeError(f"{view.__qualname__} is async: what a portal posts to is a sync view, under ASGI as well")

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        _hide_form(request)
        config = configured(posting.alias)
        try:
            posted = posting.read(request, config)
        except UsageError as wrong:
            return HttpResponseBadRequest(wrong.description, content_type="text/plain; charset=utf-8")
        except (AuthError, TokenRefreshError) as refused:
            return HttpResponseForbidden(refused.description, content_type="text/plain; charset=utf-8")
        with posting.session(posted, config) as session:
            return view(request, session, posted, *args, **kwargs)

    exempt = csrf_exempt(require_POST(wrapped))
    return xframe_options_exempt(exempt) if frame else exempt


def _hide_form(request: HttpRequest) -> None:
    """Mask the form on the page of an error; by itself Django masks none under DEBUG."""
    request.sensitive_post_parameters = list(request.POST)
    request.exception_reporter_filter = copy.copy(get_default_exception_reporter_filter())
    request.exception_reporter_filter.is_active = lambda _: True


def _form(request: HttpRequest) -> QueryDict:
    """Return query and body together; of a placement some fields are in the query."""
    form = request.GET.copy()
    form.update(request.POST)
    return form


def _placement(request: HttpRequest, config: Config) -> Placement:
    return Placement.from_form(_form(request), allow_loopback=config.allow_loopback)


def _session_of_placement(placement: Placement, config: Config) -> Session:
    return opened(config, lambda: placement.oauth(*config.application(), token_url=config.token_url))


def _event(request: HttpRequest, config: Config) -> Event:
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


def _session_of_event(event: Event, config: Config) -> AbstractContextManager[Session]:
    if config.is_webhook:
        return nullcontext(get_session(config.alias))
    if event.token is None or store_of(config).get(event.member_id) is not None:
        return nullcontext(session_for(event.member_id, config.alias))
    return opened(config, lambda: event.oauth(*config.application(), token_url=config.token_url))


def _install(request: HttpRequest, config: Config) -> Install:
    install = Install.from_form(request.POST, allow_loopback=config.allow_loopback)
    oauth = install.oauth(*config.application(), token_url=config.token_url)
    token = oauth.refresh()
    with opened(config, lambda: oauth) as session:
        if session.call("user.admin").data is not True:
            raise AuthError("the token is not an administrator's, and only they install applications")
    store_of(config).put(token, install.application_token)
    return attrs.evolve(install, token=token)


def _session_of_install(install: Install, config: Config) -> AbstractContextManager[Session]:
    return nullcontext(session_for(install.token.member_id, config.alias))

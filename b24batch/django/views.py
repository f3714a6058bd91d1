"""Decorators for views that a portal posts to; each passes its view a session for that portal."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.http.response import HttpResponseBase
from django.views.debug import get_default_exception_reporter_filter
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from b24batch.django import posted as posts
from b24batch.django.conf import Config, get_config
from b24batch.django.middleware import IN_FRAME, try_later
from b24batch.errors import AuthError, NotSent, SdkError, TokenRefreshError, UsageError
from b24batch.oauth.installations import Install
from b24batch.oauth.posted import Event, Placement
from b24batch.session import Session

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
Posted = TypeVar("Posted", covariant=True)
#: The decorated view takes the request and the URL's arguments; the view itself also gets the session and the form.
View: TypeAlias = Callable[Concatenate[HttpRequest, Session, Posted, P], R]
Decorated: TypeAlias = Callable[Concatenate[HttpRequest, P], R]


class ViewDecorator(Protocol[Posted]):
    """A decorator of this module that has been given its `alias`."""

    def __call__(self, view: View[Posted, P, R], /) -> Decorated[P, R]:
        """Return the decorated view."""


@overload
def placement_view(view: View[Placement, P, R], *, alias: str = "default") -> Decorated[P, R]: ...
@overload
def placement_view(view: None = None, *, alias: str = "default") -> ViewDecorator[Placement]: ...
def placement_view(view: Callable[..., Any] | None = None, *, alias: str = "default") -> Any:
    """Turn a view into a placement's page: it is called with request, session and `b24batch.oauth.Placement`.

    The session has the token of the user who opened the page, and is closed when the view returns. Nothing is stored.
    Do not trust the form, since it can claim to be from any portal: trust only what the session's calls return, for
    the host ``placement.token.address.host``. The page may be shown in a frame and is exempt from the CSRF check.

    The answer is 405 for anything but a POST, and 400 for any other form. The view must not be async; its exceptions
    propagate.

    Args:
        view: The view; omit it to pass an alias: ``@placement_view(alias=...)``.
        alias: The alias of the application in the setting ``B24BATCH``; default ``"default"``.

    Raises:
        TypeError: The view is async.
    """
    return _decorate(view, alias, posts.read_placement, posts.open_placement_session, frame=True)


@overload
def event_view(view: View[Event, P, R], *, alias: str = "default") -> Decorated[P, R]: ...
@overload
def event_view(view: None = None, *, alias: str = "default") -> ViewDecorator[Event]: ...
def event_view(view: Callable[..., Any] | None = None, *, alias: str = "default") -> Any:
    """Turn a view into an event handler: it is called with request, session and `b24batch.oauth.Event`.

    The session is that of `session_for`; for the alias of a webhook it is that of `get_session`. If no token is stored
    for the portal, the session has the token of the event. If the event has no token either, as with ONAPPUNINSTALL,
    every call of the session raises `TokenRefreshError`. The view is exempt from the CSRF check.

    The answer is 405 for anything but a POST, 400 for any other form, and 403 if the application token is wrong or
    none is known for the portal.

    Args:
        view: As in `placement_view`.
        alias: The alias of the application or webhook in the setting ``B24BATCH``; default ``"default"``.

    Raises:
        TypeError: The view is async.
    """
    return _decorate(view, alias, posts.read_event, posts.open_event_session)


@overload
def install_view(view: View[Install, P, R], *, alias: str = "default") -> Decorated[P, R]: ...
@overload
def install_view(view: None = None, *, alias: str = "default") -> ViewDecorator[Install]: ...
def install_view(view: Callable[..., Any] | None = None, *, alias: str = "default") -> Any:
    """Turn a view into the handler of an installation: it is called with request, session and `b24batch.oauth.Install`.

    It takes both forms. One opens the application's installation page in a frame of the portal: the view returns the
    page, which calls ``BX24.installFinish()``; the template tag ``b24_install_finish`` does so. The other one is the
    event ONAPPINSTALL, or ONAPPUPDATE: nobody sees the answer. ``install.event`` tells which it is.

    Before the view is called, the form is verified in two steps. ``user.admin`` must confirm that the posted token is
    an administrator's, since every user who opens a placement has a token. Then the OAuth server must renew the token,
    for the same portal at the same host as in the form. The new token and the application token, which only the event
    has, are stored at once, even if the view fails. If the same form is posted again, as by a reload of the page, it is
    verified by its access token, and nothing is renewed. So the view may be called more than once for an installation.
    The view is exempt from the CSRF check, and its answer may be shown in a frame.

    The answer is 405 for anything but a POST, 400 for any other form, and 403 if the OAuth server refuses the token or
    the token is not an administrator's. It is 503 if the portal or the OAuth server cannot be reached; the same form
    can then be posted again.

    Args:
        view: As in `placement_view`.
        alias: The alias of the application in the setting ``B24BATCH``; default ``"default"``.

    Raises:
        TypeError: The view is async.
    """
    return _decorate(view, alias, posts.complete_install, posts.open_install_session, frame=True)


#: Returns the parsed form; raises if it is refused.
Read: TypeAlias = Callable[[HttpRequest, Config], Any]
#: Returns the session for a parsed form; it is closed after the view unless it is shared.
Open: TypeAlias = Callable[[Any, Config], AbstractContextManager[Session]]


def _decorate(
    view: Callable[..., Any] | None, alias: str, read: Read, open_session: Open, *, frame: bool = False
) -> Any:
    if view is None:
        return functools.partial(_decorate, alias=alias, read=read, open_session=open_session, frame=frame)
    _refuse_async(view)

    @login_not_required
    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Call the view with what the portal posted, or answer with the error."""
        _hide_form(request)
        setattr(request, IN_FRAME, frame)
        config = get_config(alias)
        try:
            posted = read(request, config)
        except UsageError as wrong:
            return HttpResponseBadRequest(wrong.description, content_type="text/plain; charset=utf-8")
        except SdkError as failed:
            if _is_refusal(failed):
                return HttpResponseForbidden(failed.description, content_type="text/plain; charset=utf-8")
            return try_later(failed.description, getattr(failed, "retry_after", None))
        with open_session(posted, config) as session:
            return view(request, session, posted, *args, **kwargs)

    exempt = csrf_exempt(require_POST(wrapped))
    return xframe_options_exempt(exempt) if frame else exempt


def _is_refusal(error: SdkError) -> bool:
    """Return whether the same form would be refused again."""
    if isinstance(error, NotSent):
        return error.code == "PRIVATE_ADDRESS"
    return isinstance(error, AuthError | TokenRefreshError) and not getattr(error, "temporary", False)


def _refuse_async(view: Any) -> None:
    while isinstance(view, functools.partial):
        view = view.func
    if iscoroutinefunction(view) or iscoroutinefunction(getattr(view, "__call__", None)):  # noqa: B004
        named = getattr(view, "view_class", view)
        name = getattr(named, "__qualname__", type(view).__qualname__)
        raise TypeError(f"{name} is async: expected a sync view, under ASGI as well")


def _hide_form(request: HttpRequest) -> None:
    """Mask the form on error pages; with DEBUG, Django does not mask it by itself."""
    request.sensitive_post_parameters = list(request.POST)
    request.exception_reporter_filter = copy.copy(get_default_exception_reporter_filter())
    request.exception_reporter_filter.is_active = lambda _: True

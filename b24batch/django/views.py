"""Decorators of the views that a portal posts to; each hands its view a session of that portal."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, overload

import attrs
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden
from django.http.response import HttpResponseBase
from django.views.debug import get_default_exception_reporter_filter
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from b24batch.django import posted as posts
from b24batch.django.conf import Config, configured
from b24batch.django.middleware import try_later
from b24batch.errors import AuthError, SdkError, TokenRefreshError, UsageError
from b24batch.oauth.posted import Event, Install, Placement
from b24batch.session import Session

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
Posted = TypeVar("Posted", covariant=True)
#: Decorated, a view is called with the request and what its URL has; it gets the session and the form as well.
View: TypeAlias = Callable[Concatenate[HttpRequest, Session, Posted, P], R]
Decorated: TypeAlias = Callable[Concatenate[HttpRequest, P], R]


class ViewDecorator(Protocol[Posted]):
    """What a decorator of this module is once it has its `alias`."""

    def __call__(self, view: View[Posted, P, R], /) -> Decorated[P, R]:
        """Return the view decorated."""


@overload
def placement_view(view: View[Placement, P, R], *, alias: str = "default") -> Decorated[P, R]: ...
@overload
def placement_view(view: None = None, *, alias: str = "default") -> ViewDecorator[Placement]: ...
def placement_view(view: Callable[..., Any] | None = None, *, alias: str = "default") -> Any:
    """Make a view the page of a placement: it is called with request, session and `b24batch.oauth.posted.Placement`.

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
    return _decorated(view, _Posting(alias, posts.placement, posts.session_of_placement), frame=True)


@overload
def event_view(view: View[Event, P, R], *, alias: str = "default") -> Decorated[P, R]: ...
@overload
def event_view(view: None = None, *, alias: str = "default") -> ViewDecorator[Event]: ...
def event_view(view: Callable[..., Any] | None = None, *, alias: str = "default") -> Any:
    """Make a view the handler of events: it is called with request, session and `b24batch.oauth.posted.Event`.

    The session is `session_for` the portal; for a webhook's alias it is `get_session`, and for a portal that is known
    by the setting ``APPLICATION_TOKEN`` alone it has the token of the event. An event without a token (ONAPPUNINSTALL
    is one) of a portal without a stored one comes with a session all of whose calls raise `TokenRefreshError`. The view
    is exempt from the CSRF check.

    Anything but a POST is answered 405, a form that is no event 400, an event with another application token than
    the portal's, or of a portal without one, 403.

    Args:
        view: As in `placement_view`.
        alias: Of the application in the setting ``B24BATCH``.

    Raises:
        TypeError: The view is async.
    """
    return _decorated(view, _Posting(alias, posts.event, posts.session_of_event))


@overload
def install_view(view: View[Install, P, R], *, alias: str = "default") -> Decorated[P, R]: ...
@overload
def install_view(view: None = None, *, alias: str = "default") -> ViewDecorator[Install]: ...
def install_view(view: Callable[..., Any] | None = None, *, alias: str = "default") -> Any:
    """Make a view the handler of ONAPPINSTALL: it is called with request, session and `b24batch.oauth.posted.Install`.

    Before, the portal is asked whether the posted token is an administrator's (``user.admin``), since any user who
    opens a placement has one. Then the token is renewed: that the OAuth server does so, and names the posted portal at
    the posted host, is proof. The new one and the application token are stored at once, whatever becomes of the view.
    It is exempt from the CSRF check.

    Anything but a POST is answered 405, a form that is no installation 400, a token that the OAuth server refuses or
    that is no administrator's 403. Where the portal does not answer, or the OAuth server cannot be reached, it is 503,
    and the same form can be posted again.

    Args:
        view: As in `placement_view`.
        alias: Of the application in the setting ``B24BATCH``.

    Raises:
        TypeError: The view is async.
    """
    return _decorated(view, _Posting(alias, posts.install, posts.session_of_install))


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


def _decorated(view: Callable[..., Any] | None, posting: _Posting, *, frame: bool = False) -> Any:
    if view is None:
        return functools.partial(_decorated, posting=posting, frame=frame)
    _refuse_async(view)

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        _hide_form(request)
        config = configured(posting.alias)
        try:
            posted = posting.read(request, config)
        except UsageError as wrong:
            return HttpResponseBadRequest(wrong.description, content_type="text/plain; charset=utf-8")
        except SdkError as failed:
            if isinstance(failed, AuthError | TokenRefreshError) and not getattr(failed, "temporary", False):
                return HttpResponseForbidden(failed.description, content_type="text/plain; charset=utf-8")
            return try_later(failed.description, getattr(failed, "retry_after", None))
        with posting.session(posted, config) as session:
            return view(request, session, posted, *args, **kwargs)

    exempt = csrf_exempt(require_POST(wrapped))
    return xframe_options_exempt(exempt) if frame else exempt


def _refuse_async(view: Any) -> None:
    while isinstance(view, functools.partial):
        view = view.func
    if iscoroutinefunction(view) or iscoroutinefunction(getattr(view, "__call__", None)):  # noqa: B004
        named = getattr(view, "view_class", view)
        name = getattr(named, "__qualname__", type(view).__qualname__)
        raise TypeError(f"{name} is async: what a portal posts to is a sync view, under ASGI as well")


def _hide_form(request: HttpRequest) -> None:
    """Mask the form on the page of an error; by itself Django masks none under DEBUG."""
    request.sensitive_post_parameters = list(request.POST)
    request.exception_reporter_filter = copy.copy(get_default_exception_reporter_filter())
    request.exception_reporter_filter.is_active = lambda _: True

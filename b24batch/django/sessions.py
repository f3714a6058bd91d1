"""Sessions by alias in the settings and by portal."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.core.signals import setting_changed

from b24batch.django.cache import Sessions
from b24batch.django.conf import Config, get_config
from b24batch.django.keys import name_keys
from b24batch.django.limits import forget_limits, get_limits, has_limits
from b24batch.django.stores import get_store
from b24batch.oauth.credentials import OAuth
from b24batch.oauth.renewal import MARGIN
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.session import Session
from b24batch.wire.auth import Auth, Webhook

#: The maximum number of sessions in a process; each holds one or more sockets for a while.
MAX_SESSIONS = 100


def get_session(alias: str = "default") -> Session:
    """Return the session for an alias in ``B24BATCH``; all threads of a process share it.

    Its ``max_wait`` is 0 by default: instead of waiting, a call raises `b24batch.RateLimited`. Outside of views use
    ``get_session().with_options(max_wait=None)`` to wait.

    Args:
        alias: The alias in the setting ``B24BATCH``.

    Raises:
        ImproperlyConfigured: The settings are missing or invalid, or an application has no ``MEMBER_ID``.
        UsageError: The application is not installed on the portal with that ``MEMBER_ID``.
    """
    config = get_config(alias)
    if config.is_webhook:
        return _sessions.get(
            alias, "", lambda: open_session(config, lambda: Webhook(config.get_secret("WEBHOOK_SECRET_URL")))
        )
    member_id = config.get("MEMBER_ID", "")
    if not isinstance(member_id, str) or not member_id:
        config.check_values()
        raise config.error("has no MEMBER_ID: for an application on many portals use session_for(member_id)")
    return session_for(member_id, alias)


def session_for(member_id: str, alias: str = "default") -> Session:
    """Return the session for a portal on which the application is installed; otherwise like `get_session`.

    It uses the token that `install_view` stored in the database; a renewed token is stored there for all processes.
    After a new installation this function returns a session with the new token, at the portal's new address if it has
    moved: at once in the process that got the form, and within a minute in the others. So call it each time instead of
    keeping the session.

    Args:
        member_id: The id of the portal, as in the forms that it posts.
        alias: The alias of the application in the setting ``B24BATCH``.

    Raises:
        ImproperlyConfigured: The settings are missing or invalid, or not those of an application.
        UsageError: The application is not installed on this portal.
    """
    config = get_config(alias)

    def make_credentials() -> OAuth:
        """Return the credentials of the portal."""
        allowed, store = config.allowed_hosts, get_store(config)
        return OAuth(**config.get_application(), member_id=member_id, store=store, allowed_hosts=allowed)

    def is_current(session: Session) -> bool:
        """Return whether the session has the stored token."""
        return _is_stored(session, get_store(config).get(member_id))

    return _sessions.get(alias, member_id, lambda: open_session(config, make_credentials), is_current)


def forget(member_id: str) -> None:
    """Drop the sessions for a portal under all aliases of this process; later ones use the stored token."""
    _sessions.forget(member_id)


def _is_stored(session: Session, stored: Token | None) -> bool:
    """Return whether a session has the stored token, or a newer one that could not be stored."""
    if not getattr(session.auth, "is_stored", True):
        return True
    if stored is None:
        return False
    access = session.auth.access()
    same = (access.token, access.endpoint) == (stored.access_token, Secret(stored.client_endpoint))
    return same or time.time() > stored.expires - MARGIN


def open_session(config: Config, credentials: Callable[[], Auth]) -> Session:
    """Return a new session with the options of an alias.

    Raises:
        ImproperlyConfigured: A setting is invalid.
    """
    config.check_values()
    auth = credentials()
    try:
        options = config.get_options()
        if has_limits(config):
            options["limits"] = get_limits(config, auth)
        return Session(auth, **options)
    except (TypeError, ValueError, ImportError) as error:
        problem = str(getattr(error, "description", error))
    raise config.error(f"is invalid: {name_keys(problem)}")


_sessions = Sessions(MAX_SESSIONS)


def _forget(*, setting: str, **signal: object) -> None:
    del signal
    if setting == "B24BATCH":
        _sessions.clear()
        forget_limits()


setting_changed.connect(_forget)

"""Sessions by the alias of their settings, and by the portal they are for."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from django.core.signals import setting_changed

from b24batch.django.cache import Sessions
from b24batch.django.conf import Config, configured
from b24batch.django.stores import DjangoTokenStore
from b24batch.oauth.credentials import MARGIN, OAuth
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret
from b24batch.session import Session
from b24batch.wire.auth import Auth, Webhook
from b24batch.wire.rate import LeakyBucket

#: Sessions that a process keeps; each holds a socket or more for a while.
MAX_SESSIONS = 100
#: Portals whose rate a process remembers when the setting has a ``RATE``.
_MAX_BUCKETS = 4096


def get_session(alias: str = "default") -> Session:
    """Return the session of an alias in ``B24BATCH``, the same one for all threads of a process.

    Its ``max_wait`` is 0 unless the settings say otherwise: where another request would have to wait it raises
    `b24batch.RateLimited`. Outside of views, ``get_session().with_options(max_wait=None)`` waits.

    Args:
        alias: In the setting ``B24BATCH``.

    Raises:
        ImproperlyConfigured: The settings are missing, or of an application without a ``MEMBER_ID``.
        UsageError: The application is not installed on the portal with that ``MEMBER_ID``.
    """
    config = configured(alias)
    if config.is_webhook:
        return _sessions.get(alias, "", lambda: opened(config, lambda: Webhook(config.secret("WEBHOOK_SECRET_URL"))))
    if "CLIENT_ID" in config and not config.get("MEMBER_ID"):
        raise config.wrong("has no MEMBER_ID: for an application on many portals there is session_for(member_id)")
    return session_for(config.get("MEMBER_ID", ""), alias)


def session_for(member_id: str, alias: str = "default") -> Session:
    """Return the session of a portal on which the application is installed, as `get_session` does.

    Its token is that of `install_view`, stored in the database and renewed there for all processes. A new installation
    counts at once in the process that it was posted to, and within a minute in the others: who calls this again gets
    a session of the new token, at the portal's new address if it has moved. Do not keep it yourself.

    Args:
        member_id: The portal's own id, as it stands in what it posts.
        alias: The application in the setting ``B24BATCH``.

    Raises:
        ImproperlyConfigured: The settings are missing, or not of an application.
        UsageError: The application is not installed on this portal.
    """
    config = configured(alias)

    def credentials() -> OAuth:
        return OAuth(*config.application(), member_id=member_id, store=store_of(config), token_url=config.token_url)

    def is_current(session: Session) -> bool:
        return _is_stored(session, store_of(config).get(member_id))

    return _sessions.get(alias, member_id, lambda: opened(config, credentials), is_current)


def forget(member_id: str) -> None:
    """Let all aliases of this process begin anew with what is stored of a portal."""
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


def store_of(config: Config) -> DjangoTokenStore:
    """Return the store that the tokens of an application are in."""
    return DjangoTokenStore(config.get("DATABASE"))


def opened(config: Config, credentials: Callable[[], Auth]) -> Session:
    """Return a new session with the options of an alias.

    Raises:
        ImproperlyConfigured: A setting has a value that cannot be.
    """
    auth = credentials()
    try:
        options = config.options()
        if "RATE" in config:
            options["limits"] = _limits(config, auth.host)
        return Session(auth, **options)
    except (TypeError, ValueError) as error:
        problem = str(error)
    raise config.wrong(f"cannot be: {problem}")


def _limits(config: Config, host: str) -> LeakyBucket | None:
    match config.get("RATE"):
        case None:
            return None
        case (int() as capacity, int() | float() as leak_rate):
            return _bucket(host, capacity, leak_rate)
    raise ValueError("a RATE is None or (capacity, leak_rate)")


@functools.lru_cache(_MAX_BUCKETS)
def _bucket(host: str, capacity: int, leak_rate: float) -> LeakyBucket:
    """Return the one bucket that all sessions of this process on a portal share."""
    del host
    return LeakyBucket(capacity, leak_rate)


_sessions = Sessions(MAX_SESSIONS)


def _forget(*, setting: str, **signal: object) -> None:
    del signal
    if setting == "B24BATCH":
        _sessions.clear()
        _bucket.cache_clear()


setting_changed.connect(_forget)

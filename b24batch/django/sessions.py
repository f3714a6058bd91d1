"""Sessions by the alias of their settings, and by the portal they are for."""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from collections.abc import Callable

from django.core.signals import setting_changed

from b24batch.auth import Auth, Webhook
from b24batch.django.conf import Config, configured
from b24batch.django.stores import DjangoTokenStore
from b24batch.limits import LeakyBucket
from b24batch.locks import ProcessLock
from b24batch.oauth import OAuth
from b24batch.session import Session

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

    Its token is that of `install_view`, stored in the database and renewed there for all processes.

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

    return _sessions.get(alias, member_id, lambda: opened(config, credentials))


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


class Sessions:
    """The sessions of this process that were used last.

    Args:
        limit: How many are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[int, str, str], Session] = OrderedDict()
        self._lock = ProcessLock()

    def get(self, alias: str, member_id: str, make: Callable[[], Session]) -> Session:
        """Return the session of an alias and a portal, made now if there is none."""
        key = (os.getpid(), alias, member_id)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()  # without the lock, since it may ask the database
        with self._lock:
            kept = self._kept.setdefault(key, made)
            oldest = self._kept.popitem(last=False)[1] if len(self._kept) > self._limit else None
        if oldest is not None:
            oldest.close()
        return kept

    def clear(self) -> None:
        """Forget all of them; who holds one may go on using it."""
        with self._lock:
            self._kept.clear()


_sessions = Sessions(MAX_SESSIONS)


def _forget(*, setting: str, **signal: object) -> None:
    del signal
    if setting == "B24BATCH":
        _sessions.clear()
        _bucket.cache_clear()


setting_changed.connect(_forget)

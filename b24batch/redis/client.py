"""Opens a client of Redis by a URL, which may have a password."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.credentials import CredentialProvider
from redis.retry import Retry

from b24batch.errors import UsageError
from b24batch.redaction import Secret

#: Seconds to connect, and to wait for an answer; a request to the portal waits for it.
_TIMEOUT = 0.5
_SHAPE = "a URL of Redis looks like redis://:<password>@host:6379/0, rediss://… or unix:///path"


class _Credentials(CredentialProvider):
    """A user's name and password, which the options of the client would show in some versions."""

    def __init__(self, *parts: Secret) -> None:
        self._parts = parts

    def get_credentials(self) -> Any:
        """Return the parts as plain text."""
        return tuple(part.reveal() for part in self._parts)


def open_client(url: Secret) -> redis.Redis:
    """Return a client, without connecting. It tells at once if Redis is away, and never tries again by itself.

    Raises:
        UsageError: The URL is invalid. The message does not repeat it.
    """
    problem = _find_problem(url)
    client = None if problem else _open(url)
    if client is None:
        raise UsageError(f"{_SHAPE}; this one {problem or 'has an invalid option'}")
    return client


def _open(url: Secret) -> redis.Redis | None:
    """Return a client; None if an option is invalid. It is a function of its own, so that no traceback shows them."""
    try:
        pool = redis.ConnectionPool(**_to_options(url))
        pool.make_connection()  # refuses unknown options, and connects nowhere
    except (ValueError, TypeError, AttributeError, redis.RedisError):
        return None
    return redis.Redis(connection_pool=pool)


def _find_problem(url: Secret) -> str | None:
    """Return what is wrong with a URL; part of a password that is not percent-encoded is not taken for a host."""
    try:
        parts = urlsplit(url.reveal())
        scheme, host, path, _ = parts.scheme, parts.hostname, parts.path, parts.port
    except ValueError:
        return "has an invalid host or port"
    if scheme == "unix":
        return None if path else "has no path"
    if scheme not in ("redis", "rediss"):
        return "does not start with redis://, rediss:// or unix://"
    if not host:
        return "has no host; a password with / ? or # has to be percent-encoded"
    return None if re.fullmatch(r"/?\d*/?", path) else "has a path that is not the number of a database"


def _to_options(url: Secret) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": _TIMEOUT,
        "socket_connect_timeout": _TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        **parse_url(url.reveal()),
    }
    given = [options.pop(name, None) for name in ("username", "password")]
    parts = [Secret(text) for text in given if text]
    return options | ({"credential_provider": _Credentials(*parts)} if parts else {})

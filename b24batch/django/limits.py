"""The rate limits of an alias: a bucket of this process, or one in Redis that all processes share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from b24batch.django.conf import Config
from b24batch.django.stores import get_store
from b24batch.errors import UsageError
from b24batch.redaction import Secret
from b24batch.wire.auth import Auth
from b24batch.wire.rate import LeakyBucket, Limiter

#: The maximum number of portals whose rate a process tracks if the setting has a ``RATE`` or a ``REDIS_SECRET_URL``.
_MAX_BUCKETS = 4096
#: What `b24batch.LeakyBucket` has by default.
_RATE = (50, 2.0)


def has_limits(config: Config) -> bool:
    """Return whether an alias has limits of its own, instead of the default of a session."""
    return any(key in config for key in ("RATE", "REDIS_SECRET_URL", "EGRESS"))


def get_limits(config: Config, auth: Auth) -> Limiter | None:
    """Return the bucket that all sessions for a portal share.

    Raises:
        ImproperlyConfigured: The URL of Redis is not a str.
        ImportError: The client of Redis is not installed.
        ValueError: A setting is invalid.
    """
    make_bucket = _choose_bucket(config, auth)
    rate = config.get("RATE", _RATE)
    return None if rate is None else make_bucket(*rate)


def forget_limits() -> None:
    """Drop all buckets, after a change of the settings."""
    for cache in (_get_leaky_bucket, _get_redis_bucket):
        cache.cache_clear()


def _choose_bucket(config: Config, auth: Auth) -> Callable[[int, float], Limiter]:
    if "REDIS_SECRET_URL" not in config:
        if "EGRESS" in config:
            raise ValueError("EGRESS: expected a REDIS_SECRET_URL too; without it no limit is shared")
        return functools.partial(_get_leaky_bucket, auth.host)
    portal = _name_portal(config, auth)
    name = f"{portal}@{config.get('EGRESS')}" if "EGRESS" in config else portal
    return functools.partial(_get_redis_bucket, config.get_secret("REDIS_SECRET_URL"), name)


def _name_portal(config: Config, auth: Auth) -> str:
    """Return the member id of an installed portal, else the host: a forged form may name the id of another portal."""
    member_id = getattr(auth, "member_id", None)
    stored = None
    with suppress(DatabaseError, ImproperlyConfigured, UsageError):  # a page needs no database
        stored = get_store(config).get(member_id) if member_id else None
    return stored.member_id if stored is not None and stored.address.host == auth.host else auth.host


@functools.lru_cache(_MAX_BUCKETS)
def _get_leaky_bucket(host: str, capacity: int, leak_rate: float) -> LeakyBucket:
    del host
    return LeakyBucket(capacity, leak_rate)


@functools.lru_cache(_MAX_BUCKETS)
def _get_redis_bucket(url: Secret, name: str, capacity: int, leak_rate: float) -> Limiter:
    from b24batch.redis import RedisBucket

    return RedisBucket(url, name, capacity, leak_rate)

"""What the value of each key of ``B24BATCH`` must be: each function raises an error if a value is invalid."""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from typing import Any

import attrs
from django.conf import settings

from b24batch.errors import UsageError
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret, shown, to_secret
from b24batch.session import Session
from b24batch.wire.rate import LeakyBucket
from b24batch.wire.retries import RetryPolicy

#: The arguments of `b24batch.RetryPolicy`.
POLICY = tuple(attrs.fields_dict(RetryPolicy))
#: The arguments of `b24batch.LeakyBucket`.
RATE = ("capacity", "leak_rate")
#: It sends nothing; its options are checked like those of any other.
_ANY_SESSION = Session("https://portal.invalid/rest/1/code/", limits=None)


def check_member_id(value: object) -> None:
    """Check a portal's id."""
    Token(Secret("-"), None, 0.0, "https://portal.invalid/rest/", value)  # type: ignore[arg-type]


def check_database(value: object) -> None:
    """Check a name in ``DATABASES``."""
    if value is not None and value not in list(settings.DATABASES):
        raise UsageError(f"expected one of {', '.join(settings.DATABASES)}, got {shown(value)}")


def check_text(key: str, value: Any) -> None:
    """Check a text that the portal shows; a line break is that of a file it was read from."""
    to_secret(value, what=key)
    if re.search(r"\s", value):
        raise UsageError(f"{key}: expected a string without spaces and line breaks")


def check_redis_url(value: object) -> None:
    """Check the URL of a Redis server."""
    if not isinstance(value, str):
        raise UsageError(f"expected a str, got {type(value).__name__}")
    with suppress(ModuleNotFoundError):  # a session says what to install
        _check_client(Secret(value))


@functools.lru_cache(16)
def _check_client(url: Secret) -> None:
    """Make a client, which takes milliseconds, and a setting is checked with each form; an error is not cached."""
    from b24batch.redis.client import open_client

    open_client(url)


def check_option(name: str, value: object) -> None:
    """Check an option of `b24batch.Session`."""
    _ANY_SESSION.with_options(**{name: value})  # type: ignore[arg-type]


def check_methods(value: object) -> None:
    """Check names of methods."""
    check_option("idempotent_methods", value)
    if any(not isinstance(name, str) for name in value):  # type: ignore[attr-defined]
        raise UsageError(f"expected a collection of method names, got {shown(value)}")


def check_retries(value: object) -> None:
    """Check the arguments of `b24batch.RetryPolicy`, those that it has."""
    if not isinstance(value, dict):
        raise UsageError(f"expected a dict of the arguments of b24batch.RetryPolicy, got {shown(value)}")
    RetryPolicy(**{name: value[name] for name in value.keys() & POLICY})


def check_rate(value: object) -> None:
    """Check the arguments of `b24batch.LeakyBucket`."""
    if value is None:
        return
    if not isinstance(value, tuple | list) or len(value) != len(RATE):
        raise UsageError(f"expected None or ({', '.join(RATE)}), got {shown(value)}")
    LeakyBucket(*value)


def check_egress(value: object) -> None:
    """Check an IP address, or a name for one."""
    if not isinstance(value, str) or not re.fullmatch(r"[\w.:-]{1,100}", value):
        raise UsageError(f"expected an IP address or another name of letters and digits, got {shown(value)}")

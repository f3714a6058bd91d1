"""The options of a session and of its calls: their names, and what they may be."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, ParamSpec, TypedDict, TypeVar, cast

import requests

from b24batch.encoding import redacted, shown
from b24batch.errors import UsageError
from b24batch.limits import Clock, LeakyBucket, Wait
from b24batch.retries import RetryPolicy

Given = ParamSpec("Given")
Made = TypeVar("Made")
#: The longest request id that a caller may choose.
MAX_REQUEST_ID = 128


class Options(TypedDict, total=False):
    """The options of a `Session`, all of them keywords."""

    timeout: float | tuple[float, float]
    deadline: float
    max_answer: int
    retries: RetryPolicy
    limits: LeakyBucket | None
    max_wait: float | None
    operating_wait: float
    idempotent_methods: Collection[str]
    allow_http: bool
    http: requests.Session | None
    on_wait: Callable[[Wait], None] | None
    redact_urllib3_log: bool
    clock: Clock


class ListOptions(TypedDict, total=False):
    """The options of `Session.call_list`, those of `Session.fetch_list`."""

    id_key: str | None
    cursor_id_key: str | None
    result_key: str | None
    paging: Literal["cursor", "start", "whole"] | None
    pages_per_request: int
    descending: bool
    request_id: str | None
    limit: int | None


def checked(make: Callable[Given, Made], /, *args: Given.args, **kwargs: Given.kwargs) -> Made | TypeError | UsageError:
    """Return what is made of these arguments, or what is wrong with them as a new error.

    One of them may be the URL of a webhook. A traceback with locals would show it, so the frames of the error are left
    behind, and whoever raises it deletes the arguments first.
    """
    try:
        return make(*args, **kwargs)
    except UsageError as error:
        return UsageError(error.description)
    except TypeError as error:
        return TypeError(redacted(str(error.args[0] if error.args else error)))


def made(outcome: Made | TypeError | UsageError) -> Made:
    """Return what `checked` made, or raise what was wrong."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def to_seconds(value: object) -> float:
    """Return a time in seconds; raise `UsageError` unless it is a positive, finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise UsageError(f"a time is a positive number of seconds, not {shown(value)}")
    return float(value)


def to_count(value: object) -> int:
    """Return a number of things; raise `UsageError` unless it is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"expected a positive whole number, got {shown(value)}")
    return value


def to_timeout(value: object) -> tuple[float, float]:
    """Return the seconds to connect and those between two bytes; one number stands for both."""
    connect, read = value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)
    return to_seconds(connect), to_seconds(read)


def to_wait(value: object) -> float:
    """Return the bound of a wait in seconds; 0 is no wait."""
    return 0.0 if value == 0 else to_seconds(value)


def to_max_wait(value: object) -> float | None:
    """Return the bound of every wait in seconds; None is none."""
    return None if value is None else to_wait(value)


def to_flag(value: object) -> bool:
    """Return True or False, and refuse what only looks like one of them."""
    if not isinstance(value, bool):
        raise UsageError(f"True or False is wanted, not {shown(value)}")
    return value


def to_clock(value: object) -> Clock:
    """Return what tells the time; raise `UsageError` for what does not."""
    if not all(callable(getattr(value, name, None)) for name in ("monotonic", "time", "sleep")):
        raise UsageError(f"a clock has monotonic(), time() and sleep(), not so {shown(value)}")
    return cast("Clock", value)


def to_methods(names: object) -> frozenset[str]:
    """Return names of methods, without their case."""
    if isinstance(names, str) or not isinstance(names, Collection):
        raise UsageError(f"idempotent_methods is a collection of method names, not {shown(names)}")
    return frozenset(str(name).casefold() for name in names)


def to_request_id(value: object) -> str:
    """Return a request id, by default a UUID; raise `UsageError` for what is no header."""
    if value is None:
        from uuid import uuid4

        return str(uuid4())
    plain = isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value
    if isinstance(value, str) and plain and 0 < len(value) <= MAX_REQUEST_ID and redacted(value) == value:
        return value
    raise UsageError(f"a request_id is 1 to {MAX_REQUEST_ID} printable ASCII characters, not {shown(value)}")

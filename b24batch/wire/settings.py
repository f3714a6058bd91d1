"""Settings for sending requests, validated and converted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import attrs
from attrs.validators import instance_of, is_callable, optional

from b24batch.clock import Clock, Wait
from b24batch.errors import UsageError
from b24batch.redaction import shown
from b24batch.wire.rate import Limiter
from b24batch.wire.reports import FinishedRequest
from b24batch.wire.retries import RetryPolicy


def to_seconds(name: str, value: object) -> float:
    """Return a time in seconds; raise `UsageError` unless it is a positive, finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
        raise UsageError(f"{name}: expected a positive number of seconds, got {shown(value)}")
    return float(value)


def check_number(name: str, value: object, most: int | None = None) -> int:
    """Return a whole number from 1 to `most` (None: no maximum); raise `UsageError` if it is anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        bound = "of at least 1" if most is None else f"from 1 to {most}"
        raise UsageError(f"{name}: expected a whole number {bound}, got {shown(value)}")
    return value


def to_timeout(value: object) -> tuple[float, float]:
    """Return the seconds to connect and the seconds between two bytes; a single number sets both."""
    connect, read = value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)
    return to_seconds("timeout", connect), to_seconds("timeout", read)


def to_wait(name: str, value: object) -> float:
    """Return the limit of a wait in seconds; 0 means no wait."""
    return 0.0 if value == 0 else to_seconds(name, value)


def to_max_wait(value: object) -> float | None:
    """Return the limit of every wait in seconds; None means no limit."""
    return None if value is None else to_wait("max_wait", value)


def to_clock(value: object) -> Clock:
    """Return a clock; raise `UsageError` for anything else."""
    if not all(callable(getattr(value, name, None)) for name in ("monotonic", "time", "sleep")):
        raise UsageError(f"clock is invalid: expected monotonic(), time() and sleep(), got {shown(value)}")
    return cast("Clock", value)


def validate_with(check: Callable[[str, object], object]) -> Callable[[object, attrs.Attribute[Any], object], object]:
    """Return an attrs validator that calls `check` with the name and the value of an attribute."""
    return lambda _, attribute, value: check(attribute.name, value)


def to_limits(value: object) -> Limiter | None:
    """Return a limiter or None; raise `TypeError` for anything else."""
    if value is None or (isinstance(value, Limiter) and not isinstance(value, type)):
        return value
    wanted = "a LeakyBucket, another b24batch.wire.Limiter or None, or 'shared'"
    raise TypeError(f"limits: expected {wanted}, got {shown(value)}")


@attrs.frozen(kw_only=True)
class WireSettings:
    """How the requests to one portal are sent. All times are in seconds.

    Attributes:
        timeout: The time to connect, and the time between two bytes of an answer.
        deadline: The time for a whole request, from its first byte to the last byte of its answer.
        max_answer: The maximum size of a decoded answer in bytes.
        retries: When and how often a request is sent again.
        limits: The rate limiter; None means no limit.
        clock: The source of time.
        max_wait: The longest single wait, whatever its reason; None means no limit.
        on_wait: Called with every wait before it begins; None means no call.
        on_request: Called with every HTTP request after it has ended; None means no call.
    """

    timeout: tuple[float, float] = attrs.field(converter=to_timeout)
    deadline: float = attrs.field(validator=validate_with(to_seconds))
    max_answer: int = attrs.field(validator=validate_with(check_number))
    retries: RetryPolicy = attrs.field(validator=instance_of(RetryPolicy))
    limits: Limiter | None = attrs.field(converter=to_limits)
    clock: Clock = attrs.field(converter=to_clock)
    max_wait: float | None = attrs.field(converter=to_max_wait)
    on_wait: Callable[[Wait], None] | None = attrs.field(validator=optional(is_callable()))
    on_request: Callable[[FinishedRequest], None] | None = attrs.field(validator=optional(is_callable()))

"""Settings for sending requests, validated and converted."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import attrs
from attrs.validators import optional

from b24batch.clock import Clock, Wait
from b24batch.errors import UsageError
from b24batch.redaction import shown
from b24batch.wire.checks import check_number, to_seconds, to_wait, validate_kind, validate_with
from b24batch.wire.rate import Limiter
from b24batch.wire.reports import FinishedRequest
from b24batch.wire.retries import RetryPolicy


def to_timeout(value: object) -> tuple[float, float]:
    """Return the seconds to connect and the seconds between two bytes; a single number sets both."""
    connect, read = value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)
    return to_seconds("timeout", connect), to_seconds("timeout", read)


def to_max_wait(value: object) -> float | None:
    """Return the limit of every wait in seconds; None means no limit."""
    return None if value is None else to_wait("max_wait", value)


def to_clock(value: object) -> Clock:
    """Return a clock; raise `UsageError` for anything else."""
    if not all(callable(getattr(value, name, None)) for name in ("monotonic", "time", "sleep")):
        raise UsageError(f"clock is invalid: expected monotonic(), time() and sleep(), got {shown(value)}")
    return cast("Clock", value)


def to_limits(value: object) -> Limiter | None:
    """Return a limiter or None; raise `TypeError` for anything else."""
    if value is None or (isinstance(value, Limiter) and not isinstance(value, type)):
        return value
    wanted = "a LeakyBucket, another b24batch.wire.Limiter or None, or 'shared'"
    raise TypeError(f"limits: expected {wanted}, got {shown(value)}")


@attrs.frozen
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
    retries: RetryPolicy = attrs.field(validator=validate_kind(RetryPolicy, "a RetryPolicy"))
    limits: Limiter | None = attrs.field(converter=to_limits)
    clock: Clock = attrs.field(converter=to_clock)
    max_wait: float | None = attrs.field(converter=to_max_wait)
    on_wait: Callable[[Wait], None] | None = attrs.field(validator=optional(validate_kind(Callable, "a function")))
    on_request: Callable[[FinishedRequest], None] | None = attrs.field(
        validator=optional(validate_kind(Callable, "a function"))
    )

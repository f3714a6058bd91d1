"""Checks of what users give: the error names the argument, says what is expected, and shows what was given."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs

from b24batch.errors import UsageError
from b24batch.redaction import shown


def to_seconds(name: str, value: object) -> float:
    """Return a time in seconds; raise `UsageError` unless it is a positive, finite number."""
    _check(0 < _to_float(value) < math.inf, name, "a positive number of seconds", value)
    return _to_float(value)


def to_wait(name: str, value: object) -> float:
    """Return the limit of a wait in seconds; 0 means no wait."""
    return 0.0 if _to_float(value) == 0 else to_seconds(name, value)


def check_pause(name: str, value: object) -> None:
    """Raise `UsageError` unless a value is a number of seconds of at least 0; infinity means no limit."""
    _check(_to_float(value) >= 0, name, "a number of seconds of at least 0", value)


def check_number(name: str, value: object, most: int | None = None, *, least: int = 1) -> int:
    """Return a whole number from `least` to `most` (None: no maximum); raise `UsageError` if it is anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= (value if most is None else most):
        return value
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise UsageError(f"{name}: expected a whole number {bound}, got {shown(value)}")


def check_capacity(name: str, value: object) -> None:
    """Raise `UsageError` unless a value is a capacity of a bucket: one of 1 would never let a request through."""
    check_number(name, value, least=2)


def check_rate(name: str, value: object) -> None:
    """Raise `UsageError` unless a value is a positive, finite number."""
    _check(0 < _to_float(value) < math.inf, name, "a positive number", value)


def check_share(name: str, value: object) -> None:
    """Raise `UsageError` unless a value is a part of a whole: more than 0, and at most 1."""
    _check(0 < _to_float(value) <= 1, name, "a number above 0 and at most 1", value)


def validate_kind(kind: Any, wanted: str) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Return an attrs validator that raises `TypeError` unless a value is a `kind`, which `wanted` names."""

    def validate(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        """Check the value of an attribute."""
        if not isinstance(value, kind):
            raise TypeError(f"{attribute.name}: expected {wanted}, got {shown(value)}")

    return validate


def validate_with(check: Callable[[str, object], object]) -> Callable[[object, attrs.Attribute[Any], object], object]:
    """Return an attrs validator that calls `check` with the name and the value of an attribute."""
    return lambda _, attribute, value: check(attribute.name, value)


def _to_float(value: object) -> float:
    """Return a number as a float, and NaN for everything else, True and False too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _check(is_valid: bool, name: str, wanted: str, value: object) -> None:
    """Raise `UsageError` unless `is_valid`."""
    if not is_valid:
        raise UsageError(f"{name}: expected {wanted}, got {shown(value)}")

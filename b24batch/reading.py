"""Read values in a portal's answer: dates, times, amounts and booleans, which most methods return as text.

Each function returns None for an empty value: None, an empty text, or what pandas puts in an empty cell (nan, NaT, NA).
It raises `UsageError`, which is a `ValueError`, for a value in any other form. What it returns, it accepts again.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral
from typing import NoReturn

from b24batch.aliases import JsonValue
from b24batch.errors import UsageError
from b24batch.redaction import shown

__all__ = ["to_bool", "to_date", "to_datetime", "to_decimal"]

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DAY = re.compile(_DATE)
_MOMENT = re.compile(_DATE + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_SPELLINGS: dict[object, bool] = {"Y": True, "N": False, "1": True, "0": False, "true": True, "false": False}
_SPELLINGS |= {True: True, False: False}  # 1 and 0 as well, which are equal to them
#: How far the time of a date may lie from midnight UTC. The portal prints local midnight plus its offset of today, and
#: since 1930 the offset of no inhabited time zone was more than 3 hours from today's (tz database), except where a
#: country moved across the date line. So, 3 hours later, it is at most 6 o'clock UTC of the day that was meant.
_MOST_APART, _LATEST = timedelta(hours=3), time(6)
#: The offset of every time zone today, and so the local time of a date, is a multiple of so many minutes (tz database).
_STEP = 15


def to_date(value: JsonValue) -> date | None:
    """Return the date in a field without a time, such as ``CLOSEDATE`` or ``BIRTHDATE``.

    The portal returns it with a time: midnight on its server plus the offset from UTC that the server has now. The
    first ten characters can be the day before; the date that was meant is that of the nearest midnight UTC.

    It is not for a field with a time, such as ``DATE_CREATE`` or ``deadline``: a time like 18:00:00-05:00 looks like a
    date. The day of such a field is ``to_datetime(value).astimezone(zone).date()``.

    Args:
        value: A text such as ``2026-05-01T03:00:00+03:00`` or ``2026-05-01``, or a `date`.

    Raises:
        UsageError: The value is in another form, or its time cannot stand for a date, as that of nearly every
            ``DATE_CREATE``.
    """
    __tracebackhide__ = True
    if _is_empty(value):
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    is_day = isinstance(value, str) and _DAY.fullmatch(value)
    day = _parse(value) if is_day else _find_day(_to_moment(value))
    return day.date() if day else _refuse("to_date", "a date such as 2026-05-01T03:00:00+03:00 or 2026-05-01", value)


def to_datetime(value: JsonValue) -> datetime | None:
    """Return the time in a field such as ``DATE_CREATE`` or ``deadline``, with its offset from UTC.

    Args:
        value: A text such as ``2026-05-01T10:00:00+03:00``, or a `datetime` with a time zone.

    Raises:
        UsageError: The value is in another form. That includes a time without an offset, since its time zone is not
            known, and the portal's own date format, which is one of its settings (``TIMESTAMP_X`` of users).
    """
    __tracebackhide__ = True
    if _is_empty(value):
        return None
    expected = "a time with an offset, such as 2026-05-01T10:00:00+03:00"
    return _to_moment(value) or _refuse("to_datetime", expected, value)


def to_decimal(value: JsonValue) -> Decimal | None:
    """Return a number, such as the amount in ``OPPORTUNITY``, exactly as the portal wrote it.

    Args:
        value: A text such as ``10.50``, an int, a float (its digits, so 10.1 is ``Decimal("10.1")``) or a `Decimal`.

    Raises:
        UsageError: The value is in another form, has a currency (``10.50|EUR``), or is not finite.
    """
    __tracebackhide__ = True
    if _is_empty(value):
        return None
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if type(value) is not bool and isinstance(value, Integral):
        return Decimal(int(value))
    text = float.__repr__(value) if isinstance(value, float) else value
    if isinstance(text, str) and _NUMBER.fullmatch(text):
        return Decimal(text)
    hint = "; the part before the | is the amount" if isinstance(text, str) and "|" in text else ""
    return _refuse("to_decimal", f"a number such as 10.50, without spaces, commas or a currency{hint}", value)


def to_bool(value: JsonValue) -> bool | None:
    """Return a yes or no, such as ``OPENED``, which is ``Y`` or ``N``, or a user field, which may be ``1`` or ``0``.

    Args:
        value: ``Y``, ``N``, ``1``, ``0``, ``true`` or ``false`` as text, the number 1 or 0, or a bool.

    Raises:
        UsageError: The value is in another form.
    """
    __tracebackhide__ = True
    if _is_empty(value):
        return None
    try:
        found = _SPELLINGS.get(value)
    except TypeError:  # it has no hash
        found = None
    return _refuse("to_bool", "Y, N, 1, 0, true or false", value) if found is None else found


def _is_empty(value: JsonValue) -> bool:
    if isinstance(value, float | date):
        return bool(value != value)  # nan and NaT
    return value is None or (isinstance(value, str) and not value) or type(value).__name__ == "NAType"


def _to_moment(value: JsonValue) -> datetime | None:
    """Return a time with an offset; None if the value is in another form."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else None
    return _parse(value) if isinstance(value, str) and _MOMENT.fullmatch(value) else None


def _find_day(moment: datetime | None) -> datetime | None:
    """Return a time of the day for which a moment stands, near a midnight in local time or UTC; None if it is not."""
    if moment is None or moment.time() == time():
        return moment
    if moment.minute % _STEP or moment.second or moment.microsecond:
        return None
    try:
        later = moment.astimezone(UTC) + _MOST_APART
    except OverflowError:
        return None
    return later if later.time() <= _LATEST else None


def _parse(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _refuse(name: str, expected: str, value: JsonValue) -> NoReturn:
    __tracebackhide__ = True
    raise UsageError(f"{name}: expected {expected}, got {shown(value)}")

"""Dates as the portal reads and prints them."""

from __future__ import annotations

import datetime
import re

from b24batch.sandbox.rest.time_blocks import ZONE

_YEAR_FIRST = r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)"
_DAY_FIRST = r"(?P<day>\d\d?)\.(?P<month>\d\d?)\.(?P<year>\d{4})"
_ZONE = r"(?P<zone>Z|[+-]\d\d:?\d\d)?"
_TIME = rf"(?:[T ](?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?\s*{_ZONE})?"
_FORMATS = [re.compile(date + _TIME, re.ASCII) for date in (_YEAR_FIRST, _DAY_FIRST)]

#: ``strtotime`` lets a day run over the end of its month, up to this one.
_LAST_DAY = 31


def parse(text: str) -> datetime.datetime | None:
    """Parse a date and time; without an offset it is in the portal's zone. None if it is invalid."""
    for form in _FORMATS:
        found = form.fullmatch(text.strip())
        if found:
            return _to_moment(found.groupdict())
    return None


def _to_moment(parts: dict[str, str | None]) -> datetime.datetime | None:
    day = int(parts["day"] or 0)
    year, month, hour, minute, second = (
        int(parts[name] or 0) for name in ("year", "month", "hour", "minute", "second")
    )
    if not 1 <= day <= _LAST_DAY:
        return None
    try:
        first = datetime.datetime(year, month, 1, hour, minute, second, tzinfo=_parse_zone(parts["zone"]))
        return (first + datetime.timedelta(days=day - 1)).astimezone(ZONE)
    except (ValueError, OverflowError):
        return None


def _parse_zone(text: str | None) -> datetime.timezone:
    if text is None:
        return ZONE
    if text == "Z":
        return datetime.UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    offset = datetime.timedelta(hours=hours, minutes=minutes)
    return datetime.timezone(-offset if text[0] == "-" else offset)


def to_datetime_text(text: str) -> str | None:
    """Return a date and time as the portal prints it; None if it is invalid."""
    moment = parse(text)
    return None if moment is None else moment.isoformat(timespec="seconds")


def to_date_text(text: str) -> str | None:
    """Return a date as the portal prints it: local midnight PLUS the offset, a known oddity."""
    moment = parse(text)
    if moment is None:
        return None
    midnight = moment.replace(hour=0, minute=0, second=0)
    return (midnight + (moment.utcoffset() or datetime.timedelta())).isoformat(timespec="seconds")

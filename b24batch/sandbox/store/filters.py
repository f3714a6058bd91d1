"""Conditions on one value: the prefixes of filter names."""

from __future__ import annotations

import re
from collections.abc import Callable

from b24batch.sandbox.php.values import JSON, intval, items_of, mapping, text_of
from b24batch.sandbox.store.dates import date_text, datetime_text

#: Tells whether a stored value passes.
Test = Callable[[JSON], bool]

_PREFIX = re.compile(r"!><|><|>=|<=|!=%|!%=|!=|!%|!@|=%|%=|[=!><%@]|")

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def split(name: str) -> tuple[str, str]:
    """Return the prefix and the field of a filter name, such as ``>=`` and ``ID``."""
    found = _PREFIX.match(name)
    prefix = found[0] if found else ""
    return prefix, name[len(prefix) :]


def _number(value: JSON) -> float:
    try:
        return float(text_of(value).strip() or 0)
    except ValueError:
        return float(intval(value))


def _text(value: JSON) -> str:
    return text_of(value).casefold()


def _rank(value: JSON) -> tuple[int, JSON]:
    """Put numbers, also those written as text, before text."""
    text = _text(value)
    return (0, _number(text)) if _NUMBER.fullmatch(text) else (1, text)


#: How the values of a kind of field compare.
_COMPARABLE: dict[str, Callable[[JSON], JSON]] = {
    "integer": intval,
    # A condition on a yes/no field of a user is a number: "Y" is 0, and finds the rows that are No.
    "boolean": intval,
    "any": lambda value: _rank(value),
    "key": lambda value: _rank(value),
    "double": _number,
    "datetime": lambda value: datetime_text(text_of(value)) or _text(value),
    "date": lambda value: date_text(text_of(value)) or _text(value),
}

#: What is compared of a stored value, where that is not the same: dates are stored as text to compare.
_STORED: dict[str, Callable[[JSON], JSON]] = {
    "datetime": text_of,
    "date": text_of,
    "crm_multifield": lambda entry: _text(entry["VALUE"]),
}


def comparable(kind: str, value: JSON) -> JSON:
    """Return what a filter's value of this kind is compared as."""
    return _COMPARABLE.get(kind, _text)(value)


def test(prefix: str, kind: str, wanted: JSON) -> Test:
    """Return the test of one condition; ``wanted`` is the value as it was sent."""
    negative = prefix.startswith("!")
    make = _TESTS[prefix.removeprefix("!")]
    found = make(kind, wanted)
    return (lambda value: not found(value)) if negative else found


def _values(kind: str, stored: JSON) -> list[JSON]:
    """Return what is stored as a list: a multiple field has several values, an empty one has none."""
    several = stored if isinstance(stored, list) else [stored]
    convert = _STORED.get(kind) or _COMPARABLE.get(kind, _text)
    return [convert(value) for value in several if value is not None and value != ""]


def _equal(kind: str, wanted: JSON) -> Test:
    if wanted is None or wanted == "":
        return lambda value: not _values(kind, value)
    options = mapping(wanted).values() if isinstance(wanted, (list, dict)) else [wanted]
    accepted = [comparable(kind, option) for option in options]
    return lambda value: any(item in accepted for item in _values(kind, value))


def _compare(passes: Callable[[JSON, JSON], bool]) -> Callable[[str, JSON], Test]:
    def make(kind: str, wanted: JSON) -> Test:
        limit = comparable(kind, wanted)
        return lambda value: any(passes(item, limit) for item in _values(kind, value))

    return make


def _between(kind: str, wanted: JSON) -> Test:
    ends = [comparable(kind, end) for _, end in items_of(wanted)][:2]
    if len(ends) < 2:
        return lambda _value: False
    return lambda value: any(ends[0] <= item <= ends[1] for item in _values(kind, value))


def _contains(kind: str, wanted: JSON) -> Test:
    part = _text(wanted)
    return lambda value: any(part in item for item in _values(_as_text(kind), value))


def _as_text(kind: str) -> str:
    return kind if kind in _STORED else "string"


def _like(kind: str, wanted: JSON) -> Test:
    """Match with the caller's own ``%`` for any text and ``_`` for any character."""
    wild = {"%": ".*", "_": "."}
    pattern = re.compile("".join(wild.get(mark) or re.escape(mark) for mark in _text(wanted)), re.DOTALL)
    return lambda value: any(pattern.fullmatch(item) for item in _values(_as_text(kind), value))


_TESTS: dict[str, Callable[[str, JSON], Test]] = {
    "": _equal,
    "=": _equal,
    "@": _equal,
    ">": _compare(lambda value, limit: bool(value > limit)),
    ">=": _compare(lambda value, limit: bool(value >= limit)),
    "<": _compare(lambda value, limit: bool(value < limit)),
    "<=": _compare(lambda value, limit: bool(value <= limit)),
    "><": _between,
    "%": _contains,
    "=%": _like,
    "%=": _like,
}

#: The prefixes that take an array.
TAKES_ARRAY = frozenset({"", "=", "!", "!=", "@", "!@", "><", "!><"})

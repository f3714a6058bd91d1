"""Conditions on one value: the prefixes of filter names."""

from __future__ import annotations

import re
from collections.abc import Callable

from b24batch.sandbox.php.values import JSON, list_items, to_int, to_mapping, to_text
from b24batch.sandbox.store.dates import to_date_text, to_datetime_text

#: Tells whether a stored value passes.
Test = Callable[[JSON], bool]

_PREFIX = re.compile(r"!><|><|>=|<=|!=%|!%=|!=|!%|!@|=%|%=|[=!><%@]|")

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def split(name: str) -> tuple[str, str]:
    """Return the prefix and the field of a filter name, such as ``>=`` and ``ID``."""
    found = _PREFIX.match(name)
    prefix = found[0] if found else ""
    return prefix, name[len(prefix) :]


def _to_number(value: JSON) -> float:
    try:
        return float(to_text(value).strip() or 0)
    except ValueError:
        return float(to_int(value))


def _to_text(value: JSON) -> str:
    return to_text(value).casefold()


def _get_rank(value: JSON) -> tuple[int, JSON]:
    """Put numbers, also those written as text, before text."""
    text = _to_text(value)
    return (0, _to_number(text)) if _NUMBER.fullmatch(text) else (1, text)


#: How the values of a kind of field compare.
_COMPARABLE: dict[str, Callable[[JSON], JSON]] = {
    "integer": to_int,
    # A condition on a yes/no field of a user is a number: "Y" is 0, and finds the rows that are No.
    "boolean": to_int,
    "any": lambda value: _get_rank(value),
    "key": lambda value: _get_rank(value),
    "double": _to_number,
    "datetime": lambda value: to_datetime_text(to_text(value)) or _to_text(value),
    "date": lambda value: to_date_text(to_text(value)) or _to_text(value),
}

#: What is compared of a stored value, where that is not the same: dates are stored as text to compare.
_STORED: dict[str, Callable[[JSON], JSON]] = {
    "datetime": to_text,
    "date": to_text,
    "crm_multifield": lambda entry: _to_text(entry["VALUE"]),
}


def to_comparable(kind: str, value: JSON) -> JSON:
    """Return what a filter's value of this kind is compared as."""
    return _COMPARABLE.get(kind, _to_text)(value)


def make_test(prefix: str, kind: str, wanted: JSON) -> Test:
    """Return the test of one condition; ``wanted`` is the value as it was sent."""
    negative = prefix.startswith("!")
    make = _TESTS[prefix.removeprefix("!")]
    found = make(kind, wanted)
    return (lambda value: not found(value)) if negative else found


def _list_values(kind: str, stored: JSON) -> list[JSON]:
    """Return what is stored as a list: a multiple field has several values, an empty one has none."""
    several = stored if isinstance(stored, list) else [stored]
    convert = _STORED.get(kind) or _COMPARABLE.get(kind, _to_text)
    return [convert(value) for value in several if value is not None and value != ""]


def _equal(kind: str, wanted: JSON) -> Test:
    if wanted is None or wanted == "":
        return lambda value: not _list_values(kind, value)
    options = to_mapping(wanted).values() if isinstance(wanted, (list, dict)) else [wanted]
    accepted = [to_comparable(kind, option) for option in options]
    return lambda value: any(item in accepted for item in _list_values(kind, value))


def _compare(passes: Callable[[JSON, JSON], bool]) -> Callable[[str, JSON], Test]:
    def make(kind: str, wanted: JSON) -> Test:
        """Return the test of a value against the wanted one."""
        limit = to_comparable(kind, wanted)
        return lambda value: any(passes(item, limit) for item in _list_values(kind, value))

    return make


def _between(kind: str, wanted: JSON) -> Test:
    ends = [to_comparable(kind, end) for _, end in list_items(wanted)][:2]
    if len(ends) < 2:
        return lambda _value: False
    return lambda value: any(ends[0] <= item <= ends[1] for item in _list_values(kind, value))


def _contains(kind: str, wanted: JSON) -> Test:
    part = _to_text(wanted)
    return lambda value: any(part in item for item in _list_values(_to_text_kind(kind), value))


def _to_text_kind(kind: str) -> str:
    return kind if kind in _STORED else "string"


def _like(kind: str, wanted: JSON) -> Test:
    """Match with the caller's own ``%`` for any text and ``_`` for any character."""
    wild = {"%": ".*", "_": "."}
    pattern = re.compile("".join(wild.get(mark) or re.escape(mark) for mark in _to_text(wanted)), re.DOTALL)
    return lambda value: any(pattern.fullmatch(item) for item in _list_values(_to_text_kind(kind), value))


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

"""PHP's values as Python ones: array keys, lists or maps, casts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

#: Whatever JSON can say.  The one place that spells ``Any``.
JSON: TypeAlias = Any

#: The range of a PHP integer on a 64-bit machine.
INT_MIN, INT_MAX = -(2**63), 2**63 - 1

#: The values that PHP treats as false, or empty; ``"false"``, ``"0.0"`` and ``" "`` are true.
FALSY: tuple[JSON, ...] = (None, False, 0, "", "0", [], {})

_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_LEADING_NUMBER = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[ \t\n\r\v\f]*[+-]?[0-9]+[ \t\n\r\v\f]*", re.ASCII)

#: Floats from here on are printed with an exponent (``precision=14``, PHP's default setting).
_FIRST_EXPONENT = 1e15


def to_key(key: JSON) -> JSON:
    """Return an array key as PHP keeps it: canonical decimal text becomes an int."""
    if type(key) is not str:
        return "" if key is None else int(key)
    if key[:1] not in "-0123456789" or not _CANONICAL.fullmatch(key):
        return key
    return int(key) if INT_MIN <= int(key) <= INT_MAX else key


def is_list(keys: Iterable[JSON]) -> bool:
    """Return whether keys are exactly 0, 1, 2, ... in this order."""
    return all(key == position for position, key in enumerate(keys))


def list_items(array: JSON) -> Iterator[tuple[JSON, JSON]]:
    """Yield the keys and values of a list or map; nothing for any other value."""
    if isinstance(array, dict):
        yield from array.items()
    elif isinstance(array, list):
        yield from enumerate(array)


def to_mapping(value: JSON) -> dict[JSON, JSON]:
    """Return a list or map as a dict, any other value as an empty one."""
    return dict(list_items(value))


def _to_whole(number: float) -> JSON:
    """PHP's JSON writes 1.0 as 1, but -0.0 as -0."""
    return int(number) if abs(number) < _FIRST_EXPONENT and number.is_integer() and str(number) != "-0.0" else number


def _make_copier(leaves: dict[type, Callable[[JSON], JSON]]) -> Callable[[JSON], JSON]:
    """Return a deep copy function that decides between lists and maps as PHP does."""

    def copy(value: JSON) -> JSON:
        """Return a deep copy."""
        # One frame a level: bodies may be nested 512 deep.
        if isinstance(value, dict):
            made = {}
            for key, item in value.items():
                made[to_key(key)] = copy(item)
            return list(made.values()) if is_list(made) else made
        if isinstance(value, (list, tuple)):
            items = []
            for item in value:
                items.append(copy(item))
            return items
        leaf = leaves.get(type(value))
        return leaf(value) if leaf else value

    return copy


#: Copy a value that came in: maps with keys 0..n-1, empty ones included, become lists.
received = _make_copier({})

#: Copy a value that goes out: as `received`, and whole floats become ints.
answered = _make_copier({float: _to_whole})


def to_int(value: JSON) -> int:
    """Cast as ``(int)`` does: an array that is not empty is 1, leading digits count, anything else is 0."""
    if isinstance(value, str):
        return _parse_int(value)
    if isinstance(value, (list, dict)):
        return int(bool(value))
    try:
        return int(value or 0)
    except (OverflowError, ValueError):
        return 0


def _parse_int(text: str) -> int:
    found = _LEADING_NUMBER.match(text)
    if found is None:
        return 0
    number = found[1]
    exact = int(number) if number.lstrip("+-").isdigit() else to_int(float(number))
    return min(max(exact, INT_MIN), INT_MAX)


def is_offset(text: str, length: int) -> bool:
    """Return whether text is a valid offset into a string of this many bytes."""
    return _WHOLE_NUMBER.fullmatch(text) is not None and -length <= int(text) < length


def to_text(value: JSON) -> str:
    """Cast as ``(string)`` does: an array is the word "Array", true is "1", null and false are empty."""
    if isinstance(value, (list, dict)):
        return "Array"
    if isinstance(value, float):
        return _format_float(value)
    return {True: "1", False: "", None: ""}[value] if value is None or isinstance(value, bool) else str(value)


def _format_float(number: float) -> str:
    text = format(number, ".14G")
    if "E" not in text:
        return text
    digits, exponent = text.split("E")
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent):+d}"

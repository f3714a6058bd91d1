"""Params as typed in a shell: ``key=value`` with brackets as in PHP, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from b24batch.aliases import JsonValue, Params
from b24batch.cli.terminal import open_input
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: A pair of key=value, with brackets as in PHP.
PAIR = re.compile(r"(?P<name>[^\[\]=]+)(?P<path>(?:\[[^\[\]]*\])*)=(?P<value>.*)", re.DOTALL)
_KEY = re.compile(r"\[([^\[\]]*)\]")
#: PHP drops what is nested deeper (max_input_nesting_level), and appends only after keys of up to 64 bits.
_DEEPEST = 64
_DIGITS = 18


def parse_params(pairs: Sequence[str], text: str | None) -> Params:
    """Return the params given as pairs, or as JSON; None for neither.

    Args:
        pairs: Such as ``fields[TITLE]=Deal``, ``filter[>ID]=100`` and, any number of times, ``select[]=ID``. Values
            are text. The keys 0, 1, 2 and so on make a list, as in PHP.
        text: JSON; ``@FILE`` reads a file, ``-`` reads stdin.

    Raises:
        UsageError: Both are given, one of them is invalid, or a key is given twice.
    """
    if text is None:
        return parse_pairs(pairs)
    if pairs:
        raise UsageError(f"params come from --params or from key=value, not from both: {shown(pairs[0])}")
    params = _parse_json(text)
    if not isinstance(params, dict | list):
        raise UsageError(f"--params: expected a JSON object or array, got {shown(params)}")
    return params


def parse_pairs(pairs: Sequence[str]) -> Params:
    """Return the params in pairs of ``key=value``; see `parse_params`."""
    tree: dict[str, JsonValue] = {}
    for pair in pairs:
        _put(tree, pair)
    params: Params = _make_lists(tree) if tree else None
    return params


def _put(tree: dict[str, JsonValue], pair: str) -> None:
    match = PAIR.fullmatch(pair)
    if match is None:
        raise UsageError(f"expected key=value, such as fields[TITLE]=Deal, got {shown(pair)}")
    *parents, last = [match["name"], *_KEY.findall(match["path"])]
    if len(parents) > _DEEPEST:
        raise UsageError(f"more than {_DEEPEST} keys in brackets: {shown(pair)}")
    for key in parents:
        tree = tree.setdefault(_find_key(tree, key), {})
        if not isinstance(tree, dict):
            raise UsageError(f"{shown(key)} has a value already: {shown(pair)}")
    key = _find_key(tree, last)
    if key in tree:
        raise UsageError(f"duplicate key: {shown(pair)}")
    tree[key] = match["value"]


def _find_key(tree: dict[str, JsonValue], key: str) -> str:
    """Return a key; if it is empty, the next number."""
    if key:
        return key
    numbers = [other for other in tree if other.isdecimal()]
    for number in numbers:
        if len(number) > _DIGITS:
            raise UsageError(f"[] has no next number after the key {shown(number)}")
    return str(1 + max(map(int, numbers), default=-1))


def _make_lists(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    items = {key: _make_lists(item) for key, item in value.items()}
    return list(items.values()) if list(items) == [str(place) for place in range(len(items))] else items


def _parse_json(text: str) -> JsonValue:
    try:
        return decode_json(_read_content(text))
    except UsageError as error:
        reason = error.description
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise UsageError(f"--params {reason}")


def _read_content(text: str) -> bytes:
    if text == "-":
        return open_input().read()
    return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode(errors="surrogateescape")


def decode_json(content: bytes) -> JsonValue:
    """Return the value of a JSON text; raise `UsageError` if it is invalid."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_number, object_pairs_hook=_make_object)
    except UnicodeDecodeError:
        reason = "is not UTF-8"
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        reason = f"is not JSON: {error.msg} ({line}character {error.colno})"
    except UsageError as error:
        reason = error.description
    except ValueError as error:
        reason = f"is not JSON: {error}"
    except RecursionError:
        reason = "is nested too deeply"
    raise UsageError(reason)


def _make_object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise UsageError(f"has the key {shown(next(key for key in value if keys.count(key) > 1))} twice")
    return value


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")

"""The nested query text of a command as PHP reads it, and what such a text cannot carry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from b24batch.encoding import JsonValue, Placeholder, Unfit, WireParams, shown

#: PHP's ``max_input_vars``: the tail of a longer query vanishes.
MAX_QUERY_VALUES = 1000
#: PHP's ``max_input_nesting_level``: a variable nested deeper vanishes.
MAX_QUERY_DEPTH = 64
#: Where the portal's substitution may see a reference: after a failed command any word can name a bucket. It goes on to
#: the next white space, and refers if there is a key in brackets in it. Two patterns, since one takes quadratic time.
_BUCKET = re.compile(r"\$[a-z_]\S*", re.IGNORECASE | re.ASCII)
_KEY = re.compile(r"\[[^\]]")
#: PHP keeps these for cookies and drops what has them for a name below the top level.
_COOKIE_PREFIXES = ("__Host-", "__Secure-")


def query_text(params: WireParams) -> str:
    """Return `params` as the query PHP's ``parse_str`` reads back; raise `Unfit` for what it would change."""
    pairs: list[str] = []
    for name, value in _items(params):
        if not name or any(character in name for character in ". [\0"):
            raise Unfit(f"has a name that PHP would change: {shown(name)}")
        if value == [] and isinstance(params, list):
            raise Unfit("is an empty container among positional parameters", name)
        _flatten(quote(name, safe=""), value, [name], pairs)
    return "&".join(pairs)


def has_empty(params: WireParams) -> bool:
    """Return whether there is an empty list in `params`, which a query writes as a list of one empty text."""
    waiting: list[JsonValue] = [params]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            if not value and value is not params:
                return True
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return False


def _flatten(key: str, value: JsonValue, path: list[str], pairs: list[str]) -> None:
    if len(path) - (value != []) > MAX_QUERY_DEPTH:
        raise Unfit(f"is nested over {MAX_QUERY_DEPTH} deep", path[0])
    if isinstance(value, dict | list) and value:
        for name, item in _items(value):
            if _is_changed(name):
                raise Unfit(f"has a name that PHP would change: {shown(name)}", *path)
            _flatten(f"{key}[{quote(name, safe='')}]", item, [*path, name], pairs)
    elif len(pairs) == MAX_QUERY_VALUES:
        raise Unfit(f"is more than {MAX_QUERY_VALUES} values", path[0])
    else:
        pairs.append(f"{key}[]=" if value == [] else f"{key}={_leaf_text(value, path)}")


def _is_changed(name: str) -> bool:
    empty = name.strip(" \t\n\v\f\r") == ""
    return empty or name.startswith(_COOKIE_PREFIXES) or any(character in name for character in "[]\0")


def _leaf_text(value: JsonValue, path: list[str]) -> str:
    if isinstance(value, str):
        if "$" in value and _refers(value):
            raise Unfit(f"has text the portal would take for a reference: {shown(value)}", *path)
        return quote(value, safe="")
    if isinstance(value, Placeholder):
        return quote(value.text(), safe="")
    if value is None:
        return ""
    return quote(str(int(value)) if isinstance(value, bool) else repr(value), safe="")


def _refers(text: str) -> bool:
    words = (found[0] for found in _BUCKET.finditer(text))
    return any((end := word.rfind("]")) > 0 and _KEY.search(word, 2, end) for word in words)


def _items(container: WireParams) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(container, dict):
        return iter(container.items())
    return ((str(place), item) for place, item in enumerate(container))

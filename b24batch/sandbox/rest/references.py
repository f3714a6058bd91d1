"""What ``$result[key]`` in a batch command becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from b24batch.sandbox.php.values import JSON, is_offset, to_key, to_text

#: The results so far, each kind under its name: ``result``, ``next``, ``total``, ``time``, ``error``.
Buckets = Mapping[str, Mapping[JSON, JSON]]

_KEYS = re.compile(r"\[([^\]]+)\]")
_NOTHING = object()


def substitute(params: JSON, buckets: Buckets) -> JSON:
    """Return params with every reference in a value, at any depth, replaced.

    Keys are left alone.  A value that is nothing but one reference takes the type of what it refers to;
    inside text only numbers and text are put in.
    """
    return _replace(params, buckets, _make_pattern(buckets))


def _make_pattern(buckets: Buckets) -> re.Pattern[str]:
    names = "|".join(map(re.escape, buckets))
    return re.compile(rf"\$({names})([^ \t\n\v\f\r]*)", re.IGNORECASE | re.ASCII)


def _replace(value: JSON, buckets: Buckets, pattern: re.Pattern[str]) -> JSON:
    if isinstance(value, str):
        return _replace_in_text(value, buckets, pattern) if "$" in value else value
    if isinstance(value, dict):
        return {key: _replace(item, buckets, pattern) for key, item in value.items()}
    return value


def _replace_in_text(text: str, buckets: Buckets, pattern: re.Pattern[str]) -> JSON:
    spliced = text
    for found in pattern.finditer(text):
        keys = _KEYS.findall(found[2])
        if not keys:
            continue
        # The name matches in any case, the bucket is then looked up as it is written.
        reached = _walk(buckets.get(found[1]), keys)
        if found[0] == text:
            return reached
        if isinstance(reached, (int, float, str)) and not isinstance(reached, bool):
            spliced = spliced.replace(found[0], to_text(reached))
    return spliced


def _walk(value: JSON, keys: list[str]) -> JSON:
    """Follow keys as far as they lead: at the first one that is missing or null, keep what was reached."""
    for key in keys:
        step = _step(value, key)
        if step is _NOTHING or step is None:
            return value
        value = step
    return value


def _step(value: JSON, key: str) -> JSON:
    if isinstance(value, Mapping):
        return value.get(to_key(key), _NOTHING)
    if isinstance(value, list):
        index = to_key(key)
        return value[index] if type(index) is int and 0 <= index < len(value) else _NOTHING
    return _get_byte(value, key) if isinstance(value, str) else _NOTHING


def _get_byte(text: str, key: str) -> JSON:
    """An offset into a string is one byte of it, even in the middle of a character."""
    raw = text.encode("utf-8", "surrogateescape")
    if not is_offset(key, len(raw)):
        return _NOTHING
    return raw[int(key) % len(raw)].to_bytes(1, "big").decode("utf-8", "surrogateescape")

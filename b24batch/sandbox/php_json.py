"""JSON as the portal reads and writes it."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from b24batch.sandbox.php_values import INT_MAX, INT_MIN, JSON

#: ``json_decode``'s default depth: more levels are an error.
MAX_DEPTH = 512

_QUOTE = re.compile(r"\\(.)")
_PLAIN_ESCAPES = str.maketrans(
    {
        "<": "\\u003C",
        ">": "\\u003E",
        "&": "\\u0026",
        "'": "\\u0027",
        "/": "\\/",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)
_RISKY = re.compile("[<>&'/\\\\\u2028\u2029\ud800-\udfff]")


class EncodingError(ValueError):
    """The value has no JSON text: NaN, infinity, or too many levels."""


def dumps(value: JSON) -> str:
    """Write JSON as the portal does: Unicode as it is, ``< > & ' " /`` escaped, compact.

    Raises:
        EncodingError: NaN, an infinity, or nesting that cannot be written.

    """
    try:
        text = _ENCODER.encode(value)
    except (ValueError, RecursionError):
        raise EncodingError("the answer is not JSON") from None
    if not _RISKY.search(text):
        return text
    quoted = _QUOTE.sub(lambda found: "\\u0022" if found[1] == '"' else found[0], text)
    # Bytes that are not UTF-8 travel inside as surrogates; the portal prints a replacement character.
    return quoted.translate(_PLAIN_ESCAPES).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def loads(text: str) -> JSON:
    """Read JSON as PHP does: strict, integers beyond 64 bits become floats.

    Raises:
        ValueError: It is not JSON, or nested more than 512 levels, or has a lone surrogate.

    """
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    value = _DECODER.decode(text.strip(" \t\n\r"))
    if "\\u" in text:
        # A lone surrogate escape is an error in PHP; Python lets it pass.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _depth(text: str) -> int:
    deepest = level = 0
    for mark in re.sub(r'"(?:[^"\\]|\\.)*"|[^\[\]{}]', "", text, flags=re.DOTALL):
        level += 1 if mark in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def _integer(text: str) -> int | float:
    number = int(text) if len(text) < 40 else float(text)
    return number if INT_MIN <= number <= INT_MAX else float(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_no_constant)

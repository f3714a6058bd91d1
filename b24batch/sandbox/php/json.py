"""JSON as the portal reads and writes it."""

from __future__ import annotations

import codecs
import json
import re
from typing import NoReturn

from b24batch.sandbox.php.values import INT_MAX, INT_MIN, JSON

#: As many levels are an error for the portal's ``json_decode``.
MAX_DEPTH = 512

#: A number that PHP writes in another way than Python, and text, in which nothing is one.
_FLOAT = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\d.])-?\d+(?:\.\d+)?e[+-]\d+|-?\d+\.0(?!\d)')
_ODD_FLOAT = re.compile(r"\d\.0(?!\d)|\de[+-]\d")

#: From here on a float is written with an exponent.
_FIRST_EXPONENT = 1e17

#: How many bytes one replacement character stands for, where text is not UTF-8: a lead byte takes others with it.
_TAIL = rb"[\x80-\xc1\xf5-\xff]"
_BROKEN = re.compile(rb"[\xc2-\xdf]%b?|[\xe0-\xef]%b{,2}|[\xf0-\xf4]%b{,3}|." % (_TAIL, _TAIL, _TAIL), re.DOTALL)

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
        EncodingError: NaN, an infinity, or nesting that is too deep.

    """
    try:
        text = _ENCODER.encode(value)
    except (ValueError, RecursionError):
        raise EncodingError("the answer is not JSON") from None
    if (".0" in text or "e+" in text or "e-" in text) and _ODD_FLOAT.search(text):
        text = _FLOAT.sub(_format_float, text)
    if not _RISKY.search(text):
        return text
    quoted = _QUOTE.sub(lambda found: "\\u0022" if found[1] == '"' else found[0], text)
    # Bytes that are not UTF-8 travel inside as surrogates; the portal prints a replacement character.
    return quoted.translate(_PLAIN_ESCAPES).encode("utf-8", "surrogateescape").decode("utf-8", "php")


def _format_float(found: re.Match[str]) -> str:
    text = found[0]
    if text[0] == '"':
        return text
    if text == "-0.0":
        return "-0"
    number = float(text)
    if number.is_integer() and abs(number) < _FIRST_EXPONENT:
        return str(int(number))
    digits, _, exponent = text.partition("e")
    return f"{digits if '.' in digits else digits + '.0'}e{int(exponent):+d}"


def _refuse_broken(error: UnicodeError) -> tuple[str, int]:
    """Replace what PHP replaces with one character: ``%ED%A0%80`` is one, to Python it would be three."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    found = _BROKEN.match(error.object, error.start)
    return "\ufffd", found.end() if found else error.end


codecs.register_error("php", _refuse_broken)


def loads(text: str) -> JSON:
    """Read JSON as PHP does: strict, integers beyond 64 bits become floats.

    Raises:
        ValueError: It is not JSON, or nested 512 levels or more, or has a lone surrogate.

    """
    if text.count("[") + text.count("{") >= MAX_DEPTH and _count_depth(text) >= MAX_DEPTH:
        raise ValueError("nested too deeply")
    value = _DECODER.decode(text.strip(" \t\n\r"))
    if "\\u" in text:
        # A lone surrogate escape is an error in PHP; Python lets it pass.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _count_depth(text: str) -> int:
    deepest = level = 0
    for mark in re.sub(r'"(?:[^"\\]|\\.)*"|[^\[\]{}]', "", text, flags=re.DOTALL):
        level += 1 if mark in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def _to_integer(text: str) -> int | float:
    number = int(text) if len(text) < 40 else float(text)
    return number if INT_MIN <= number <= INT_MAX else float(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_int=_to_integer, parse_constant=_refuse_constant)

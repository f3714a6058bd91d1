"""Types of arguments. Other numbers are checked by the library."""

from __future__ import annotations

import codecs
from argparse import ArgumentTypeError

from b24batch.options import MAX_CONCURRENCY


def to_positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if number := _to_whole(text):
        return number
    raise ArgumentTypeError("expected a whole number, at least 1")


def to_concurrency(text: str) -> int:
    """Return a number of requests that are on their way at once."""
    if 1 <= (_to_whole(text) or 0) <= MAX_CONCURRENCY:
        return int(text)
    raise ArgumentTypeError(f"expected a whole number from 1 to {MAX_CONCURRENCY}")


def to_port(text: str) -> int:
    """Return the number of a port."""
    number = _to_whole(text)
    if number is not None and number < 65536:
        return number
    raise ArgumentTypeError("expected a port number from 0 (any free port) to 65535")


def to_delimiter(text: str) -> str:
    """Return the character between the cells of a table."""
    character = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(character) == 1 and character not in '"\r\n':
        return character
    raise ArgumentTypeError("expected one character, or tab")


def to_encoding(text: str) -> str:
    """Return the name of a text encoding."""
    try:
        "".encode(text)
    except (LookupError, ValueError):
        reason = "expected a text encoding that Python knows, such as cp1251"
    else:
        return "utf-8-sig" if codecs.lookup(text).name == "utf-8" else text
    raise ArgumentTypeError(reason)


def _to_whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None

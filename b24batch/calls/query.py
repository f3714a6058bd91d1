"""The nested query text of a command as PHP reads it, and what such a text cannot carry."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import unquote

from b24batch.aliases import JsonValue, Params, WireParams
from b24batch.calls.booleans import form_at
from b24batch.calls.values import (
    MAPPINGS,
    Encoder,
    Placeholder,
    Unfit,
    arguments,
    encoder_of,
    text_names,
    wire_boolean,
    wire_container,
    wire_integer,
    wire_placeholder,
)
from b24batch.redaction import shown

#: PHP's ``max_input_vars``: the tail of a longer query vanishes.
MAX_QUERY_VALUES = 1000
#: PHP's ``max_input_nesting_level``: a variable nested deeper vanishes.
MAX_QUERY_DEPTH = 64
#: Where the portal's substitution may see a reference: at its buckets, or if it runs on after a failed command, at any
#: word. It goes on to the next white space, and refers if there is a key in brackets in it. Two patterns each, since
#: one takes quadratic time.
_BUCKET = re.compile(r"(?ai)\$(?:result|next|total|time|error)\S*")
_ANY_BUCKET = re.compile(r"(?ai)\$[a-z_]\S*")
_KEY = re.compile(r"\[[^\]]")
#: PHP keeps these for cookies and drops what has them for a name below the top level.
_COOKIE_PREFIXES = ("__Host-", "__Secure-")
_TOO_DEEP = f"is nested over {MAX_QUERY_DEPTH} deep"
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PERCENT_ENCODED = [chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)]


class Query:
    """The query that PHP's ``parse_str`` reads back as `params`.

    Args:
        params: As the caller gave them, or as they go on the wire.
        method: Decides what becomes of a boolean.
        halt: Whether nothing runs after a failed command, which adds words that the portal takes for references.

    Attributes:
        placeholders: The references among the values.

    Raises:
        Unfit: For what PHP would change, and for what has no wire value at all.
    """

    __slots__ = ("_method", "_pairs", "_texts", "placeholders")

    def __init__(self, params: Params, method: str, *, halt: bool = False) -> None:
        self._texts = _TEXTS if halt else _TEXTS_WITHOUT_HALT
        self._pairs: list[str] = []
        self.placeholders: list[Placeholder] = []
        self._method = method
        for name, value in arguments(params, method):
            key = _argument(name)
            try:
                _writer_of[type(value)](self, key, value)
                if len(self._pairs) > MAX_QUERY_VALUES:
                    raise Unfit(f"is more than {MAX_QUERY_VALUES} values")
            except Unfit as unfit:
                unfit.path = [name] if unfit.reason == _TOO_DEEP else [name, *unfit.path]
                raise

    @property
    def text(self) -> str:
        """The query, percent-encoded once but for the brackets that nest it."""
        return "&".join(self._pairs)

    def _write_plain(self, key: str, value: JsonValue) -> None:
        self._pairs.append(f"{key}={self._texts[type(value)](value)}")

    def _write_placeholder(self, key: str, value: Placeholder) -> None:
        self.placeholders.append(value)
        self._pairs.append(f"{key}={_quoted(value.text())}")

    def _write_other(self, key: str, value: JsonValue) -> None:
        wire = encoder_of[type(value)](value, ())
        if isinstance(wire, float):
            self._pairs.append(f"{key}={_quoted(repr(wire))}")
        else:
            self._write_plain(key, wire)

    def _write_boolean(self, key: str, value: bool) -> None:
        self._pairs.append(f"{key}={_boolean(self._method, key, bool(value))}")

    def _write_container(self, key: str, value: JsonValue) -> None:
        if key.count("[") == MAX_QUERY_DEPTH:
            raise Unfit(_TOO_DEEP)
        if not value:
            if "[" not in key:
                raise Unfit("is an empty container, which a query cannot hold at the top level")
            self._pairs.append(f"{key}[]=")
            return
        texts = self._texts
        for name, item in text_names(value) if isinstance(value, MAPPINGS) else enumerate(value):
            inner, text_of = f"{key}{_bracketed(name)}", texts.get(type(item))
            try:
                if text_of is None:
                    _writer_of[type(item)](self, inner, item)
                else:
                    self._pairs.append(f"{inner}={text_of(item)}")
            except Unfit as unfit:
                unfit.path.insert(0, str(name))
                raise


_Writer: TypeAlias = Callable[[Query, str, JsonValue], None]


_WRITERS: dict[Encoder, _Writer] = {
    wire_boolean: Query._write_boolean,
    wire_container: Query._write_container,
    wire_placeholder: Query._write_placeholder,
}


class _WriterOf(dict[type, _Writer]):
    """What writes a value of each type, found on first sight."""

    def __missing__(self, kind: type) -> _Writer:
        writer = self[kind] = _WRITERS.get(encoder_of[kind], Query._write_other)
        return writer


_writer_of = _WriterOf({str: Query._write_plain, int: Query._write_plain})


def _text_for(bucket: re.Pattern[str]) -> Callable[[str], str]:
    """Return what writes text in which the portal must not find a reference to such a bucket."""

    def text(value: str) -> str:
        if value.isascii() and value.isalnum():
            return value
        if "$" in value and _refers(value, bucket):
            raise Unfit(f"has text the portal would take for a reference: {shown(value)}")
        return _quoted(value)

    return text


#: The text of the commonest values; nearly all others become one of them.
_TEXTS: dict[type, Callable[[JsonValue], str]] = {
    str: _text_for(_BUCKET),
    int: lambda value: str(wire_integer(value)),
}
_TEXTS_WITHOUT_HALT = _TEXTS | {str: _text_for(_ANY_BUCKET)}


@functools.lru_cache(maxsize=4096)
def _boolean(method: str, key: str, value: bool) -> str:
    place = (method, *map(unquote, key.replace("]", "").split("[")))
    wire = wire_boolean(value, place)
    if form_at(place) == "json":
        raise Unfit(f"is {value}, which {method} reads from JSON only: in a query everything is text")
    return wire if isinstance(wire, str) else str(int(wire))


# Fields have the same few names again and again.
@functools.lru_cache(maxsize=1024)
def _argument(name: str) -> str:
    if not name or any(character in name for character in ". [\0"):
        raise Unfit(f"has a name that PHP would change: {shown(name)}")
    return _quoted(name)


@functools.lru_cache(maxsize=4096)
def _bracketed(name: str | int) -> str:
    text = str(name)
    empty = text.strip(" \t\n\v\f\r") == ""
    if empty or text.startswith(_COOKIE_PREFIXES) or any(character in text for character in "[]\0"):
        raise Unfit(f"has a name that PHP would change: {shown(text)}")
    return f"[{_quoted(text)}]"


def _quoted(text: str) -> str:
    try:
        return "".join([_PERCENT_ENCODED[byte] for byte in text.encode()])
    except UnicodeEncodeError:
        reason = "has a lone surrogate"
    raise Unfit(reason)


def _refers(text: str, bucket: re.Pattern[str]) -> bool:
    words = (found[0] for found in bucket.finditer(text))
    return any((end := word.rfind("]")) > 0 and _KEY.search(word, 2, end) for word in words)


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

"""The nested query text of a command as PHP reads it, and what such a text cannot carry."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import unquote

from b24batch.aliases import JsonValue, Params
from b24batch.calls.booleans import form_at
from b24batch.calls.references import Ref
from b24batch.calls.scalars import InvalidValue, wire_boolean, wire_float, wire_integer
from b24batch.calls.values import (
    MAPPINGS,
    Encoder,
    arguments,
    encoder_of,
    text_names,
    wire_container,
    wire_reference,
)
from b24batch.calls.words import may_refer
from b24batch.redaction import shown

#: PHP's ``max_input_vars``: the tail of a longer query vanishes.
MAX_QUERY_VALUES = 1000
#: PHP's ``max_input_nesting_level``: a variable nested deeper vanishes.
MAX_QUERY_DEPTH = 64
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
        references: Those among the values.

    Raises:
        InvalidValue: For what PHP would change, and for what has no wire value at all.
    """

    __slots__ = ("_method", "_pairs", "_texts", "references")

    def __init__(self, params: Params, method: str, *, halt: bool = False) -> None:
        self._texts = _TEXTS if halt else _TEXTS_WITHOUT_HALT
        self._pairs: list[str] = []
        self.references: list[Ref] = []
        self._method = method
        for name, value in arguments(params, method):
            key = _argument(name)
            try:
                _writer_of(type(value))(self, key, value)
                if len(self._pairs) > MAX_QUERY_VALUES:
                    raise InvalidValue(f"is more than {MAX_QUERY_VALUES} values")
            except InvalidValue as error:
                error.locate(name, *(() if error.reason == _TOO_DEEP else error.path))
                raise

    @property
    def text(self) -> str:
        """The query, percent-encoded once but for the brackets that nest it."""
        return "&".join(self._pairs)

    def _write_reference(self, key: str, value: Ref) -> None:
        self.references.append(value)
        self._pairs.append(f"{key}={_quoted(value.text())}")

    def _write_scalar(self, key: str, value: JsonValue) -> None:
        if type(value) not in self._texts:
            value = encoder_of(type(value))(value, ())
        self._pairs.append(f"{key}={self._texts[type(value)](value)}")

    def _write_boolean(self, key: str, value: bool) -> None:
        self._pairs.append(f"{key}={_boolean(self._method, key, bool(value))}")

    def _write_container(self, key: str, value: JsonValue) -> None:
        if key.count("[") == MAX_QUERY_DEPTH:
            raise InvalidValue(_TOO_DEEP)
        if not value:
            if "[" not in key:
                raise InvalidValue("is an empty container, which a query cannot hold at the top level")
            self._pairs.append(f"{key}[]=")
            return
        texts = self._texts
        for name, item in text_names(value) if isinstance(value, MAPPINGS) else enumerate(value):
            inner, text_of = f"{key}{_bracketed(name)}", texts.get(type(item))
            try:
                if text_of is None:
                    _writer_of(type(item))(self, inner, item)
                else:
                    self._pairs.append(f"{inner}={text_of(item)}")
            except InvalidValue as error:
                error.locate(str(name), *error.path)
                raise


_Writer: TypeAlias = Callable[[Query, str, JsonValue], None]
#: What has another form in a query than in JSON.
_WRITERS: dict[Encoder, _Writer] = {
    wire_boolean: Query._write_boolean,
    wire_container: Query._write_container,
    wire_reference: Query._write_reference,
}


def _find_writer(kind: type) -> _Writer:
    return _WRITERS.get(encoder_of(kind), Query._write_scalar)


_writer_of: Callable[[type], _Writer] = functools.cache(_find_writer)


def _text_for(*, halt: bool) -> Callable[[str], str]:
    """Return what writes text in which the portal must not find a reference."""

    def text(value: str) -> str:
        if value.isascii() and value.isalnum():
            return value
        if "$" in value and may_refer(value, halt=halt):
            raise InvalidValue(f"has text the portal would take for a reference: {shown(value)}")
        return _quoted(value)

    return text


#: The text of what values of all other types become on the wire.
_TEXTS: dict[type, Callable[[JsonValue], str]] = {
    str: _text_for(halt=True),
    int: lambda value: str(wire_integer(value)),
    float: lambda value: _quoted(repr(wire_float(value))),
}
_TEXTS_WITHOUT_HALT = _TEXTS | {str: _text_for(halt=False)}


@functools.lru_cache(maxsize=4096)
def _boolean(method: str, key: str, value: bool) -> str:
    place = (method, *map(unquote, key.replace("]", "").split("[")))
    wire = wire_boolean(value, place)
    if form_at(place) == "json":
        raise InvalidValue(f"is {value}, which {method} reads from JSON only: in a query everything is text")
    return wire if isinstance(wire, str) else str(int(wire))


# Fields have the same few names again and again.
@functools.lru_cache(maxsize=1024)
def _argument(name: str) -> str:
    if not name or any(character in name for character in ". [\0"):
        raise InvalidValue(f"has a name that PHP would change: {shown(name)}")
    return _quoted(name)


@functools.lru_cache(maxsize=4096)
def _bracketed(name: str | int) -> str:
    text = str(name)
    empty = text.strip(" \t\n\v\f\r") == ""
    if empty or text.startswith(_COOKIE_PREFIXES) or any(character in text for character in "[]\0"):
        raise InvalidValue(f"has a name that PHP would change: {shown(text)}")
    return f"[{_quoted(text)}]"


def _quoted(text: str) -> str:
    try:
        return "".join([_PERCENT_ENCODED[byte] for byte in text.encode()])
    except UnicodeEncodeError:
        reason = "has a lone surrogate"
    raise InvalidValue(reason)

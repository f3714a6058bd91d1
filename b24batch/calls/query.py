"""The query text of a command as PHP parses it, and the values that such a text cannot hold."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import unquote

from b24batch.aliases import JsonValue, Params
from b24batch.calls.booleans import find_form
from b24batch.calls.references import MAPPINGS, Ref
from b24batch.calls.scalars import InvalidValue, wire_boolean, wire_float, wire_integer
from b24batch.calls.values import (
    Encoder,
    encoder_of,
    list_arguments,
    list_items,
    wire_container,
    wire_reference,
)
from b24batch.calls.words import may_refer
from b24batch.redaction import shown

#: PHP's ``max_input_vars``: the rest of a longer query is lost.
MAX_QUERY_VALUES = 1000
#: PHP's ``max_input_nesting_level``: a variable that is nested deeper is lost.
MAX_QUERY_DEPTH = 64
#: PHP reserves these for cookies, and drops values whose name below the top level starts with one.
_COOKIE_PREFIXES = ("__Host-", "__Secure-")
_TOO_DEEP = f"is nested more than {MAX_QUERY_DEPTH} levels deep"
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PERCENT_ENCODED = [chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)]


class Query:
    """The query that PHP's ``parse_str`` reads back as `params`.

    Args:
        params: As the caller passed them, or already converted for the wire.
        method: The method, which decides how booleans are written.
        halt: Whether the portal skips the rest after a failed command. If not, it reads more words as references.

    Attributes:
        references: The references among the values.

    Raises:
        InvalidValue: If PHP would change a value, or if it cannot be sent at all.
    """

    __slots__ = ("_method", "_pairs", "_texts", "references")

    def __init__(self, params: Params, method: str, *, halt: bool) -> None:
        self._texts = _TEXTS if halt else _TEXTS_WITHOUT_HALT
        self._pairs: list[str] = []
        self.references: list[Ref] = []
        self._method = method
        for name, value in list_arguments(params, method):
            key = _encode_argument(name)
            try:
                _writer_of(type(value))(self, key, value)
                if len(self._pairs) > MAX_QUERY_VALUES:
                    raise InvalidValue(f"is more than {MAX_QUERY_VALUES} values, the maximum in a batch")
            except InvalidValue as error:
                error.locate(name, *(() if error.reason == _TOO_DEEP else error.path))
                raise

    @property
    def text(self) -> str:
        """The query, percent-encoded once except for the brackets of nested names."""
        return "&".join(self._pairs)

    def _write_reference(self, key: str, value: Ref) -> None:
        self.references.append(value)
        self._pairs.append(f"{key}={_quote(value.text())}")

    def _write_scalar(self, key: str, value: JsonValue) -> None:
        if type(value) not in self._texts:
            value = encoder_of(type(value))(value, (self._method,))
        self._pairs.append(f"{key}={self._texts[type(value)](value)}")

    def _write_boolean(self, key: str, value: bool) -> None:
        self._pairs.append(f"{key}={_encode_boolean(self._method, key, bool(value))}")

    def _write_container(self, key: str, value: JsonValue) -> None:
        if key.count("[") == MAX_QUERY_DEPTH:
            raise InvalidValue(_TOO_DEEP)
        if not value:
            if "[" not in key:
                raise InvalidValue("is an empty list or mapping, which a query cannot hold at the top level")
            self._pairs.append(f"{key}[]=")
            return
        texts = self._texts
        for name, item in list_items(value) if isinstance(value, MAPPINGS) else enumerate(value):
            inner, text_of = f"{key}{_encode_key(name)}", texts.get(type(item))
            try:
                if text_of is None:
                    _writer_of(type(item))(self, inner, item)
                else:
                    self._pairs.append(f"{inner}={text_of(item)}")
            except InvalidValue as error:
                error.locate(str(name), *error.path)
                raise


_Writer: TypeAlias = Callable[[Query, str, JsonValue], None]
#: Values that are written differently in a query than in JSON.
_WRITERS: dict[Encoder, _Writer] = {
    wire_boolean: Query._write_boolean,
    wire_container: Query._write_container,
    wire_reference: Query._write_reference,
}


def _find_writer(kind: type) -> _Writer:
    return _WRITERS.get(encoder_of(kind), Query._write_scalar)


_writer_of: Callable[[type], _Writer] = functools.cache(_find_writer)


def _make_text_encoder(*, halt: bool) -> Callable[[str], str]:
    """Return a function that writes text, and refuses text in which the portal would find a reference."""

    def text(value: str) -> str:
        """Quote a text; refuse one that the portal would read as a reference."""
        if value.isascii() and value.isalnum():
            return value
        if "$" in value and may_refer(value, halt=halt):
            raise InvalidValue(f"has text that the portal would read as a reference: {shown(value)}")
        return _quote(value)

    return text


#: How the wire values of all other types are written.
_TEXTS: dict[type, Callable[[JsonValue], str]] = {
    str: _make_text_encoder(halt=True),
    int: lambda value: str(wire_integer(value)),
    float: lambda value: _quote(repr(wire_float(value))),
}
_TEXTS_WITHOUT_HALT = _TEXTS | {str: _make_text_encoder(halt=False)}


@functools.lru_cache(maxsize=4096)
def _encode_boolean(method: str, key: str, value: bool) -> str:
    place = (method, *map(unquote, key.replace("]", "").split("[")))
    wire = wire_boolean(value, place)
    if find_form(place) == "json":
        raise InvalidValue(f"is {value}, which {method} reads from JSON only, and a query is text")
    return wire if isinstance(wire, str) else str(int(wire))


# Cached: fields have the same few names again and again.
@functools.lru_cache(maxsize=1024)
def _encode_argument(name: str) -> str:
    if not name or any(character in name for character in ". [\0"):
        raise InvalidValue(f"has a name that PHP would change: {shown(name)}")
    return _quote(name)


@functools.lru_cache(maxsize=4096)
def _encode_key(name: str | int) -> str:
    text = str(name)
    empty = text.strip(" \t\n\v\f\r") == ""
    if empty or text.startswith(_COOKIE_PREFIXES) or any(character in text for character in "[]\0"):
        raise InvalidValue(f"has a name that PHP would change: {shown(text)}")
    return f"[{_quote(text)}]"


def _quote(text: str) -> str:
    try:
        return "".join([_PERCENT_ENCODED[byte] for byte in text.encode()])
    except UnicodeEncodeError:
        reason = "has a lone surrogate, which is not valid Unicode"
    raise InvalidValue(reason)

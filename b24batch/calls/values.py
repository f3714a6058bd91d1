"""Converts Python values for the wire, and refuses values that cannot be sent."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from enum import Enum
from typing import SupportsIndex, TypeAlias

from b24batch.aliases import JsonValue, Params, WireParams
from b24batch.calls.booleans import Place, is_positional
from b24batch.calls.references import CONTAINERS, MAPPINGS, Ref
from b24batch.calls.scalars import (
    InvalidValue,
    is_boolean,
    refuse_bytes,
    refuse_type,
    wire_boolean,
    wire_date,
    wire_decimal,
    wire_float,
    wire_index,
    wire_integer,
    wire_text,
)
from b24batch.redaction import shown

#: PHP's ``json_decode`` silently drops a body nested more than 512 levels deep; the envelope takes a few of them.
MAX_JSON_DEPTH = 500
#: Reserved by the portal: it reads these as credentials or as the method, or diverts the request.
RESERVED_NAMES = frozenset(
    ["auth", "access_token", "auth_connector", "ap", "aplogin", "sessid", "token", "state", "method"]
)

_TEXT_ONLY = {str}
#: Arguments that mean nothing if empty, in any case.
_LEFT_OUT_WHEN_EMPTY = frozenset(["filter", "select", "order", "sort"])
_INTEGER_NAME = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def wire_params(params: Params, method: str) -> WireParams:
    """Return `params` as they are sent to `method`; raise `InvalidValue` if a value cannot be sent safely."""
    wire = {name: _wire_argument(value, (method, name)) for name, value in list_arguments(params, method)}
    return wire if isinstance(params, Mapping) else list(wire.values())


def list_arguments(params: Params, method: str) -> Iterable[tuple[str, JsonValue]]:
    """Return the name and value of each argument that is sent; the name of a positional one is its number."""
    if not isinstance(params, MAPPINGS):
        return [(str(place), value) for place, value in enumerate(params or ())]
    items = []
    for name, value in list_items(params):
        if name in RESERVED_NAMES:
            raise InvalidValue("is a name reserved by the portal; omit it", name)
        if not isinstance(value, CONTAINERS) or value or not _is_left_out(name, method):
            items.append((name, value))
    return items


def _is_left_out(name: str, method: str) -> bool:
    return name.casefold() in _LEFT_OUT_WHEN_EMPTY and not is_positional(method)


def _wire_argument(value: JsonValue, place: Place) -> JsonValue:
    if value is None:
        return None
    try:
        return encoder_of(type(value))(value, place)
    except InvalidValue as error:
        error.locate(place[1], *error.path)
        raise


def wire_reference(value: Ref, *_: object) -> Ref:
    """Return `value` as it is; it is replaced when the command is sent."""
    return value


def wire_container(value: JsonValue, place: Place) -> JsonValue:
    """Return a list or a dict of wire values."""
    if len(place) > MAX_JSON_DEPTH:
        raise InvalidValue(f"is nested more than {MAX_JSON_DEPTH} levels deep")
    named = isinstance(value, Mapping)
    wire = {}
    for name, item in list_items(value) if named else enumerate(value):
        try:
            plain = _PLAIN.get(type(item))
            wire[name] = encoder_of(type(item))(item, (*place, str(name))) if plain is None else plain(item)
        except InvalidValue as error:
            error.locate(str(name), *error.path)
            raise
    return wire if named and wire else list(wire.values())


def _wire_enum(value: Enum, place: Place) -> JsonValue:
    if isinstance(value.value, bool) or not isinstance(value.value, str | int):
        raise InvalidValue(f"is {shown(value)}: expected an Enum whose value is a string or an integer")
    return encoder_of(type(value.value))(value.value, place)


Encoder: TypeAlias = Callable[[JsonValue, Place], JsonValue]
#: The most common types, whose form does not depend on their place.
_PLAIN: dict[type, Callable[..., JsonValue]] = {str: wire_text, int: wire_integer, float: wire_float}


def _encoders() -> Iterator[tuple[type | tuple[type, ...], Encoder]]:
    """Yield the encoder of each type; the first one whose type matches a value is used."""
    yield Enum, _wire_enum
    yield Ref, wire_reference
    yield from _PLAIN.items()
    yield type(None), lambda value, place: ""
    yield CONTAINERS, wire_container
    yield date, wire_date
    from decimal import Decimal  # imported here, since most programs do not use them
    from uuid import UUID

    yield Decimal, wire_decimal
    yield UUID, lambda value, place: str(value)
    yield (bytes, bytearray, memoryview), refuse_bytes
    yield SupportsIndex, wire_index
    yield object, refuse_type


def _find_encoder(kind: type) -> Encoder:
    """Return the encoder for values of type `kind`."""
    if is_boolean(kind):
        return wire_boolean
    return next(encoder for base, encoder in _encoders() if issubclass(kind, base))


encoder_of: Callable[[type], Encoder] = functools.cache(_find_encoder)


def list_items(mapping: Mapping[JsonValue, JsonValue]) -> Iterable[tuple[str, JsonValue]]:
    """Return the items of `mapping` with names as strings; raise `InvalidValue` for invalid or duplicate names."""
    if type(mapping) is dict and set(map(type, mapping)) <= _TEXT_ONLY and "".join(mapping).isascii():
        return mapping.items()
    return _convert_items(mapping)


def _convert_items(mapping: Mapping[JsonValue, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    seen = set()
    for name, value in mapping.items():
        text = _convert_name(name)
        if text in seen:
            raise InvalidValue("is a name given twice, as a string and as an integer", text)
        seen.add(text)
        yield text, value


def _convert_name(name: object) -> str:
    if isinstance(name, str):
        return wire_text(name)
    if type(name) is int or (isinstance(name, SupportsIndex) and not is_boolean(type(name))):
        return str(wire_integer(operator.index(name)))
    raise InvalidValue(f"has an invalid name: expected a string or an integer, got {shown(name)}")


def describe_renumbered(params: WireParams) -> str:
    """Return which name at the top level a direct call would change, or "": the portal renumbers integers."""
    names = params if isinstance(params, dict) else ()
    integers = (name for name in names if _INTEGER_NAME.fullmatch(name) and -(2**63) <= int(name) < 2**63)
    for place, name in enumerate(integers):
        if name != str(place):
            return f"{name} would arrive as {place}: in a direct call the portal renumbers integer names"
    return ""

"""The wire value of a Python value, and the values that have none."""

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
from b24batch.calls.references import Ref
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

#: PHP's ``json_decode`` drops a body nested over 512 deep without a word; the envelope takes a few.
MAX_JSON_DEPTH = 500
#: The portal reads these for itself: as credentials, as the method, or to divert the request.
RESERVED_NAMES = frozenset(
    ["auth", "access_token", "auth_connector", "ap", "aplogin", "sessid", "token", "state", "method"]
)

#: What has values in it; an abstract class is looked at last, since that takes ten times as long.
CONTAINERS = (dict, list, tuple, Mapping)
MAPPINGS = (dict, Mapping)
_TEXT_ONLY = {str}
#: Arguments that say nothing when they are empty, in whatever case.
_LEFT_OUT_WHEN_EMPTY = frozenset(["filter", "select", "order", "sort"])
_INTEGER_NAME = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def wire_params(params: Params, method: str) -> WireParams:
    """Return what `params` become on the wire for `method`; raise `InvalidValue` for a value without a safe form."""
    wire = {name: _wire_argument(value, (method, name)) for name, value in arguments(params, method)}
    return wire if isinstance(params, Mapping) else list(wire.values())


def arguments(params: Params, method: str) -> Iterable[tuple[str, JsonValue]]:
    """Return name and value of each argument that is sent; those by position have their number for a name."""
    if not isinstance(params, MAPPINGS):
        return [(str(place), value) for place, value in enumerate(params or ())]
    items = []
    for name, value in text_names(params):
        if name in RESERVED_NAMES:
            raise InvalidValue("is a name the portal keeps for itself", name)
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
        error.locate(place[-1], *error.path)
        raise


def wire_reference(value: Ref, *_: object) -> Ref:
    """Return `value` as it is: whoever sends it knows what to put in."""
    return value


def wire_container(value: JsonValue, place: Place) -> JsonValue:
    """Return a list or a dict of wire values."""
    if len(place) > MAX_JSON_DEPTH:
        raise InvalidValue(f"is nested over {MAX_JSON_DEPTH} deep")
    named = isinstance(value, Mapping)
    wire = {}
    for name, item in text_names(value) if named else enumerate(value):
        try:
            plain = _PLAIN.get(type(item))
            wire[name] = encoder_of(type(item))(item, (*place, str(name))) if plain is None else plain(item)
        except InvalidValue as error:
            error.locate(str(name), *error.path)
            raise
    return wire if named and wire else list(wire.values())


def _wire_enum(value: Enum, place: Place) -> JsonValue:
    if isinstance(value.value, bool) or not isinstance(value.value, str | int):
        raise InvalidValue(f"is {shown(value)}, an Enum whose value is neither text nor an integer")
    return encoder_of(type(value.value))(value.value, place)


Encoder: TypeAlias = Callable[[JsonValue, Place], JsonValue]
#: The commonest values, whose form does not rest on their place.
_PLAIN: dict[type, Callable[..., JsonValue]] = {str: wire_text, int: wire_integer, float: wire_float}


def _encoders() -> Iterator[tuple[type | tuple[type, ...], Encoder]]:
    """Yield what makes wire values of the values of each type; the first that fits a value is its own."""
    yield Enum, _wire_enum
    yield Ref, wire_reference
    yield from _PLAIN.items()
    yield type(None), lambda value, place: ""
    yield CONTAINERS, wire_container
    yield date, wire_date
    from decimal import Decimal  # most programs have no such values
    from uuid import UUID

    yield Decimal, wire_decimal
    yield UUID, lambda value, place: str(value)
    yield (bytes, bytearray, memoryview), refuse_bytes
    yield SupportsIndex, wire_index
    yield object, refuse_type


def _find_encoder(kind: type) -> Encoder:
    """Return what makes a wire value of a value of type `kind`."""
    if is_boolean(kind):
        return wire_boolean
    return next(encoder for base, encoder in _encoders() if issubclass(kind, base))


encoder_of: Callable[[type], Encoder] = functools.cache(_find_encoder)


def text_names(mapping: Mapping[JsonValue, JsonValue]) -> Iterable[tuple[str, JsonValue]]:
    """Return the items of `mapping`, each name as text; raise `InvalidValue` for any other, or a second one."""
    if type(mapping) is dict and set(map(type, mapping)) <= _TEXT_ONLY and "".join(mapping).isascii():
        return mapping.items()
    return _text_names(mapping)


def _text_names(mapping: Mapping[JsonValue, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    seen = set()
    for name, value in mapping.items():
        text = _text_name(name)
        if text in seen:
            raise InvalidValue("is a name given twice, as text and as an integer", text)
        seen.add(text)
        yield text, value


def _text_name(name: object) -> str:
    if isinstance(name, str):
        return wire_text(name)
    if type(name) is int or (isinstance(name, SupportsIndex) and not is_boolean(type(name))):
        return str(wire_integer(operator.index(name)))
    raise InvalidValue(f"has a name that is neither text nor an integer: {shown(name)}")


def refuse_renumbered(params: WireParams) -> None:
    """Raise `InvalidValue` for top-level names that a direct call would lose: the portal numbers integers anew."""
    names = params if isinstance(params, dict) else ()
    integers = (name for name in names if _INTEGER_NAME.fullmatch(name) and -(2**63) <= int(name) < 2**63)
    for place, name in enumerate(integers):
        if name != str(place):
            raise InvalidValue(f"would arrive as {place}: in a direct call the portal numbers integer names anew", name)

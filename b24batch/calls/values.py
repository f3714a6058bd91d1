"""The wire value of a Python value, and the values that have none."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, NoReturn, SupportsIndex, TypeAlias

from b24batch.aliases import JsonValue, Params, WireParams
from b24batch.calls.booleans import NO_SPELLING, SPELLINGS, Place, form_at, is_positional
from b24batch.redaction import shown

if TYPE_CHECKING:
    from decimal import Decimal


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
_NUMPY_BOOLEANS = frozenset(["bool", "bool_"])
_EMPTY_CELL = "an empty cell? pass None or leave the field out"
_INTEGER_NAME = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


class Unfit(Exception):
    """A value that cannot be sent this way; `path` leads to it."""

    def __init__(self, reason: str, *path: str) -> None:
        super().__init__(reason, *path)
        self.reason = reason
        self.path = list(path)

    def __str__(self) -> str:
        return f"{'.'.join(self.path)[:200]} {self.reason}" if self.path else self.reason


class Placeholder:
    """A whole value that the portal, or the library, puts in when it is known."""

    __slots__ = ()

    def text(self) -> str:
        """Return what stands for it in a query."""
        raise NotImplementedError


def wire_params(params: Params, method: str) -> WireParams:
    """Return what `params` become on the wire for `method`; raise `Unfit` for a value without a safe form."""
    wire = {name: _wire_argument(value, (method, name)) for name, value in arguments(params, method)}
    return wire if isinstance(params, Mapping) else list(wire.values())


def arguments(params: Params, method: str) -> Iterable[tuple[str, JsonValue]]:
    """Return name and value of each argument that is sent; those by position have their number for a name."""
    if not isinstance(params, MAPPINGS):
        return [(str(place), value) for place, value in enumerate(params or ())]
    items = list(text_names(params))
    for name, _ in items:
        if name in RESERVED_NAMES:
            raise Unfit("is a name the portal keeps for itself", name)
    return [
        (name, value)
        for name, value in items
        if not isinstance(value, CONTAINERS) or value or not _is_left_out(name, method)
    ]


def _is_left_out(name: str, method: str) -> bool:
    return name.casefold() in _LEFT_OUT_WHEN_EMPTY and not is_positional(method)


def _wire_argument(value: JsonValue, place: Place) -> JsonValue:
    if value is None:
        return None
    try:
        return encoder_of[type(value)](value, place)
    except Unfit as unfit:
        unfit.path.insert(0, place[-1])
        raise


def wire_placeholder(value: Placeholder, place: Place) -> Placeholder:
    """Return `value` as it is: whoever sends it knows what to put in."""
    del place
    return value


def wire_container(value: JsonValue, place: Place) -> JsonValue:
    """Return a list or a dict of wire values."""
    if len(place) > MAX_JSON_DEPTH:
        raise Unfit(f"is nested over {MAX_JSON_DEPTH} deep")
    named = isinstance(value, Mapping)
    wire = {}
    for name, item in text_names(value) if named else enumerate(value):
        try:
            plain = _PLAIN.get(type(item))
            wire[name] = encoder_of[type(item)](item, (*place, str(name))) if plain is None else plain(item)
        except Unfit as unfit:
            unfit.path.insert(0, str(name))
            raise
    return wire if named and wire else list(wire.values())


def wire_text(value: str, place: Place = ()) -> str:
    """Return `value` as plain text; raise `Unfit` when it is none."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unfit(f"has a lone surrogate, which is no character: {shown(value)}") from None
    return str.__str__(value)


def wire_integer(value: int, place: Place = ()) -> int:
    """Return `value` as a plain integer; raise `Unfit` when it is too large for a portal."""
    if not -(2**63) <= value < 2**63:
        raise Unfit("is an integer beyond 64 bit")
    return int(value)


def _wire_index(value: SupportsIndex, place: Place) -> int:
    try:
        integer = operator.index(value)
    except TypeError:  # an array has the method too
        _refuse(value, place)
    return wire_integer(integer)


def wire_boolean(value: bool, place: Place) -> JsonValue:
    """Return `value` in the form that the portal reads at `place`; raise `Unfit` where that is not known."""
    form = form_at(place)
    spelt = SPELLINGS[form][bool(value)]
    if spelt is None:
        raise Unfit(f"is {bool(value)}; {NO_SPELLING[form].format(method=place[0])}")
    return spelt


def _wire_float(value: float, place: Place = ()) -> float:
    if value - value != 0:
        raise Unfit(f"is {float.__repr__(value)}, which is no number{'' if value == value else f': {_EMPTY_CELL}'}")
    return float(value)


def _wire_decimal(value: Decimal, place: Place) -> str:
    if not value.is_finite():
        raise Unfit(f"is {value}, which is no number{f': {_EMPTY_CELL}' if value.is_nan() else ''}")
    return format(value, "f")


def _wire_date(value: date, place: Place) -> str:
    if value != value:  # pandas.NaT is a datetime whose text is "NaT"
        raise Unfit(f"is no point in time: {_EMPTY_CELL}")
    return value.isoformat()


def _wire_enum(value: Enum, place: Place) -> JsonValue:
    if isinstance(value.value, bool) or not isinstance(value.value, str | int):
        raise Unfit(f"is {shown(value)}, an Enum whose value is neither text nor an integer")
    return encoder_of[type(value.value)](value.value, place)


def _refuse(value: object, place: Place) -> NoReturn:
    kind = type(value).__name__
    what_to_do = _EMPTY_CELL if kind == "NAType" else "convert it first"  # pandas.NA
    raise Unfit(f"is {shown(value)}: type {kind} has no wire value, {what_to_do}")


def _refuse_bytes(value: object, place: Place) -> NoReturn:
    raise Unfit("is bytes; send a file as text: base64.b64encode(content).decode('ascii')")


Encoder: TypeAlias = Callable[[JsonValue, Place], JsonValue]
#: The commonest values, whose form does not rest on their place.
_PLAIN: dict[type, Callable[[JsonValue], JsonValue]] = {str: wire_text, int: wire_integer, float: _wire_float}
_COMMON: dict[type, Encoder] = {
    str: wire_text,
    bool: wire_boolean,
    int: wire_integer,
    float: _wire_float,
    type(None): lambda value, place: "",
    dict: wire_container,
    list: wire_container,
}


@functools.cache
def _encoders() -> tuple[tuple[type | tuple[type, ...], Encoder], ...]:
    from decimal import Decimal  # most programs have no such values
    from uuid import UUID

    return (
        (Enum, _wire_enum),
        (Placeholder, wire_placeholder),
        *_COMMON.items(),
        (CONTAINERS, wire_container),
        (date, _wire_date),
        (Decimal, _wire_decimal),
        (UUID, lambda value, place: str(value)),
        ((bytes, bytearray, memoryview), _refuse_bytes),
        (SupportsIndex, _wire_index),
        (object, _refuse),
    )


class _EncoderOf(dict[type, Encoder]):
    """What makes a wire value of a value of each type, found on first sight."""

    def __missing__(self, kind: type) -> Encoder:
        found = next(encoder for base, encoder in _encoders() if issubclass(kind, base))
        encoder = self[kind] = wire_boolean if _is_boolean(kind) else found
        return encoder


def _is_boolean(kind: type) -> bool:
    """Return whether values of `kind` are yes or no: Python's own, and numpy's, which has no base in common with it."""
    return kind is bool or (kind.__module__ == "numpy" and kind.__name__ in _NUMPY_BOOLEANS)


encoder_of = _EncoderOf(_COMMON)


def text_names(
    mapping: Mapping[str, JsonValue] | Mapping[int, JsonValue],
) -> Iterable[tuple[str, JsonValue]]:
    """Return the items of `mapping`, each name as text; raise `Unfit` for one that is none, or is there twice."""
    if type(mapping) is dict and set(map(type, mapping)) <= _TEXT_ONLY and "".join(mapping).isascii():
        return mapping.items()
    return _text_names(mapping)


def _text_names(
    mapping: Mapping[str, JsonValue] | Mapping[int, JsonValue],
) -> Iterator[tuple[str, JsonValue]]:
    seen = set()
    for name, value in mapping.items():
        text = _text_name(name)
        if text in seen:
            raise Unfit("is a name given twice, as text and as an integer", text)
        seen.add(text)
        yield text, value


def _text_name(name: object) -> str:
    if isinstance(name, str):
        return wire_text(name)
    if type(name) is int or (isinstance(name, SupportsIndex) and not _is_boolean(type(name))):
        return str(wire_integer(operator.index(name)))
    raise Unfit(f"has a name that is neither text nor an integer: {shown(name)}")


def refuse_renumbered(params: WireParams) -> None:
    """Raise `Unfit` for top-level names that a direct call would lose: the portal numbers integers anew."""
    names = params if isinstance(params, dict) else ()
    integers = (name for name in names if _INTEGER_NAME.fullmatch(name) and -(2**63) <= int(name) < 2**63)
    for place, name in enumerate(integers):
        if name != str(place):
            raise Unfit(f"would arrive as {place}: in a direct call the portal numbers integer names anew", name)

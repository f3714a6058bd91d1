"""Converts a single string, number, boolean or date for the wire, and refuses values that cannot be sent."""

from __future__ import annotations

import operator
import os
from datetime import date
from typing import TYPE_CHECKING, NoReturn, SupportsIndex

from b24batch.aliases import JsonValue
from b24batch.calls.booleans import NO_SPELLING, SPELLINGS, Place, find_form
from b24batch.errors import UsageError
from b24batch.redaction import redact, shown

if TYPE_CHECKING:
    from decimal import Decimal

_NUMPY_BOOLEANS = frozenset(["bool", "bool_"])
#: The methods that take a file as ``{"fileData": [name, base64]}`` (Bitrix24's page on uploading files).
_TAKE_FILE_DATA = ("crm.lead.", "crm.deal.", "crm.contact.", "crm.company.", "catalog.product.")
#: The methods that take only the ids of files on the Drive, with an n before them (the same page).
_TAKE_IDS = ("tasks.task.",)
_EMPTY_CELL = "an empty cell? pass None or omit the field"


class InvalidValue(UsageError):
    """A value that cannot be sent this way. Callers that know the command raise a `UsageError` that names it.

    Attributes:
        reason: What is wrong with it.
        path: The names that lead to the value.
    """

    def __init__(self, reason: str, *path: str) -> None:
        self.reason = reason
        self.locate(*path)

    def locate(self, *path: str) -> None:
        """Set the path, as far as it is known."""
        self.path = path
        super().__init__(f"{redact('.'.join(path))[:200]} {self.reason}" if path else self.reason)


def wire_text(value: str, *_: object) -> str:
    """Return `value` as a plain string; raise `InvalidValue` if it has a lone surrogate."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue(f"has a lone surrogate, which is not valid Unicode: {shown(value)}") from None
    return str.__str__(value)


def wire_integer(value: int, *_: object) -> int:
    """Return `value` as a plain integer; raise `InvalidValue` if it is too large for a portal."""
    if not -(2**63) <= value < 2**63:
        raise InvalidValue("is an integer beyond 64 bits")
    return int(value)


def wire_index(value: SupportsIndex, *_: object) -> int:
    """Return an integer-like value, such as numpy's, as an integer; raise `InvalidValue` for an array."""
    try:
        integer = operator.index(value)
    except TypeError:  # arrays have __index__ too
        refuse_type(value)
    return wire_integer(integer)


def wire_boolean(value: bool, place: Place) -> JsonValue:
    """Return `value` in the form that the portal reads at `place`; raise `InvalidValue` if it is not known."""
    form = find_form(place)
    spelt = SPELLINGS[form][bool(value)]
    if spelt is None:
        raise InvalidValue(f"is {bool(value)}; {NO_SPELLING[form].format(method=place[0])}")
    return spelt


def wire_float(value: float, *_: object) -> float:
    """Return `value` as a plain float; raise `InvalidValue` if it is not finite."""
    if value - value != 0:
        advice = "" if value == value else f": {_EMPTY_CELL}"
        raise InvalidValue(f"is {float.__repr__(value)}; expected a finite number{advice}")
    return float(value)


def wire_decimal(value: Decimal, *_: object) -> str:
    """Return the digits of `value`; raise `InvalidValue` if it is not finite."""
    if not value.is_finite():
        raise InvalidValue(f"is {value}; expected a finite number{f': {_EMPTY_CELL}' if value.is_nan() else ''}")
    return format(value, "f")


def wire_date(value: date, *_: object) -> str:
    """Return `value` in ISO 8601; raise `InvalidValue` if it is an empty cell."""
    if value != value:  # pandas.NaT is a datetime whose text is "NaT"
        raise InvalidValue(f"is not a date or time: {_EMPTY_CELL}")
    return value.isoformat()


def refuse_type(value: object, place: Place = ()) -> NoReturn:
    """Raise `InvalidValue` for a value of any other type."""
    kind = type(value).__name__
    raise InvalidValue(f"is {shown(value)}: a value of type {kind} cannot be sent; {_advise(value, kind, place)}")


def _advise(value: object, kind: str, place: Place) -> str:
    """Return what to do about a value that cannot be sent."""
    if isinstance(value, os.PathLike):
        return f"{_pass_file('path', place)}, a path as str(path)"
    if hasattr(value, "read"):
        return _pass_file("(name, file.read())", place)
    return _EMPTY_CELL if kind == "NAType" else "convert it to a string, a number or a list first"  # pandas.NA


def refuse_bytes(_: object, place: Place) -> NoReturn:
    """Raise `InvalidValue` for the content of a file."""
    recipe = "base64.b64encode(content).decode('ascii')"
    raise InvalidValue(f"is bytes; {_pass_file('(name, content)', place)}, other bytes as {recipe}")


def _pass_file(source: str, place: Place) -> str:
    """Return how to pass a file to the method: in the other form its field stays empty without an error."""
    value = f"b24batch.files.file_value({source})"
    if not place:
        return f"pass a file as {value} or file_data, as the method takes it"
    method = place[0].casefold()
    if method.startswith(_TAKE_IDS):
        return "upload a file with b24batch.files.upload_file and pass its ID as 'n123'"
    if method.startswith(_TAKE_FILE_DATA):
        value = f"{{'fileData': {value}}}"
    return f"pass a file as {value}"


def is_boolean(kind: type) -> bool:
    """Return whether `kind` is a boolean type: Python's, or numpy's, which shares no base class with it."""
    return kind is bool or (kind.__module__ == "numpy" and kind.__name__ in _NUMPY_BOOLEANS)

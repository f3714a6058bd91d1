"""Arguments of methods, checked as each family of methods checks them."""

from __future__ import annotations

import re

from b24batch.sandbox.php.values import JSON, to_int, to_text
from b24batch.sandbox.rest.dispatcher import Params
from b24batch.sandbox.server.answers import PortalError

_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)


def read_integer(params: Params, name: str) -> int:
    """Return an argument of a controller method that must be a whole number.

    Raises:
        PortalError: Code "100": there is none, or it is something else.

    """
    value = read_required(params, name)
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not _WHOLE.fullmatch(str(value)):
        raise _make_mismatch(value, name, "int")
    return int(value)


def read_array(params: Params, name: str, *, optional: bool = False) -> JSON:
    """Return an argument of a controller method that must be a list or a map; an absent one may be empty.

    Raises:
        PortalError: Code "100": there is none, or it is something else.

    """
    if optional and name not in params:
        return []
    value = read_required(params, name)
    if not isinstance(value, (list, dict)):
        raise _make_mismatch(value, name, "array")
    return value


def read_required(params: Params, name: str) -> JSON:
    """Return an argument that a controller method needs.

    Raises:
        PortalError: Code "100".

    """
    if params.get(name) is None:
        raise PortalError("100", f"Could not find value for parameter {{{name}}}")
    return params[name]


def _make_mismatch(value: JSON, name: str, kind: str) -> PortalError:
    shown = f"Invalid value {{{to_text(value)}}} to match with parameter {{{name}}}."
    return PortalError("100", f"{shown} Should be value of type {kind}.")


def read_legacy(params: Params, name: str) -> JSON:
    """Return an argument of a legacy CRM method, in any of its spellings; None if it is missing."""
    capital = name.capitalize()
    spellings = (name, name.upper(), capital, f"ar{capital}", f"AR_{name.upper()}")
    return next((params[spelling] for spelling in spellings if spelling in params), None)


def to_capitals(params: Params) -> dict[str, JSON]:
    """Return the params of a method that ignores the case of their names."""
    return {str(name).upper(): value for name, value in params.items()}


def require(arguments: dict[str, JSON], name: str) -> str:
    """Return a text that must not be empty.

    Raises:
        PortalError: ``ERROR_ARGUMENT``, which also names the argument.

    """
    value = to_text(arguments.get(name)).strip()
    if not value:
        raise PortalError("ERROR_ARGUMENT", f"Argument '{name}' is null or empty", extra={"argument": name})
    return value


def require_id(arguments: dict[str, JSON]) -> int:
    """Return an id above 0.

    Raises:
        PortalError: ``ERROR_ARGUMENT``.

    """
    row_id = to_int(arguments.get("ID"))
    return row_id if row_id > 0 else int(require({}, "ID"))

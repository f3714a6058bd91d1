"""How families of methods spell their params and their answers."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from b24batch.sandbox.methods.arguments import read_array, read_integer, read_legacy, to_capitals
from b24batch.sandbox.php.values import JSON, to_int, to_text
from b24batch.sandbox.rest.dispatcher import Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store import queries
from b24batch.sandbox.store.queries import Family

_Read = Callable[[Params], JSON]


@attrs.frozen(kw_only=True)
class Spelling:
    """What one family of methods has in common.

    Attributes:
        id_key: What a row calls its id.
        name: What the name of a field looks like.
        family: How it pages.
        fields: Reads the fields to store.
        row_id: Reads the id of one row.
        conditions: Reads the filter.
        order: Reads the order of rows.
        select: Reads which fields are wanted.
        missing: Makes the error for a row that does not exist.
        printed: Writes a stored value.

    """

    id_key: str
    name: re.Pattern[str]
    family: Family
    fields: _Read
    row_id: Callable[[Params], int]
    conditions: _Read
    order: _Read
    select: _Read
    missing: Callable[[], PortalError]
    printed: Callable[[JSON], JSON]


_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]*")


def _to_text(value: JSON) -> JSON:
    """Older methods answer everything as text."""
    return value if value is None or isinstance(value, (list, dict)) else to_text(value)


def _read_legacy_id(params: Params) -> int:
    row_id = to_int(params.get("ID", params.get("id")))
    if row_id <= 0:
        raise PortalError("", "ID is not defined or invalid.")
    return row_id


def _read_capital(name: str) -> _Read:
    return lambda params: to_capitals(params).get(name)


def _read_array(name: str) -> _Read:
    return lambda params: read_array(params, name, optional=True)


#: ``crm.activity.*`` and others: names in capitals below ``fields``, everything is text.
LEGACY = Spelling(
    id_key="ID",
    name=_CAPITALS,
    family=queries.LEGACY,
    fields=lambda params: read_legacy(params, "fields"),
    row_id=_read_legacy_id,
    conditions=lambda params: read_legacy(params, "filter"),
    order=lambda params: read_legacy(params, "order"),
    select=lambda params: read_legacy(params, "select"),
    missing=lambda: PortalError("", "Not found"),
    printed=_to_text,
)

#: ``catalog.*``, ``sale.*`` and others: camel case below ``fields``, values keep their types.
CONTROLLER = Spelling(
    id_key="id",
    name=re.compile(r"[a-z][a-zA-Z0-9_]*"),
    family=queries.CONTROLLER,
    fields=lambda params: read_array(params, "fields"),
    row_id=lambda params: read_integer(params, "id"),
    conditions=_read_array("filter"),
    order=_read_array("order"),
    select=_read_array("select"),
    missing=lambda: PortalError("0", "Entity not found"),
    printed=lambda value: value,
)

#: ``sale.delivery.*`` and others: the fields are the params themselves, whose names may be small too.
FLAT = Spelling(
    id_key="ID",
    name=_CAPITALS,
    family=queries.LEGACY,
    fields=to_capitals,
    row_id=lambda params: _read_legacy_id(Params(to_capitals(params))),
    conditions=_read_capital("FILTER"),
    order=_read_capital("ORDER"),
    select=_read_capital("SELECT"),
    missing=lambda: PortalError("ERROR_NOT_FOUND", "Not found"),
    printed=_to_text,
)

"""How families of methods spell their params and their answers."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from b24batch.sandbox.methods.arguments import array, in_capitals, integer, spelled
from b24batch.sandbox.php.values import JSON, intval, text_of
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


def _text(value: JSON) -> JSON:
    """Older methods answer everything as text."""
    return value if value is None or isinstance(value, (list, dict)) else text_of(value)


def _legacy_id(params: Params) -> int:
    row_id = intval(params.get("ID", params.get("id")))
    if row_id <= 0:
        raise PortalError("", "ID is not defined or invalid.")
    return row_id


def _in_capitals(name: str) -> _Read:
    return lambda params: in_capitals(params).get(name)


def _array(name: str) -> _Read:
    return lambda params: array(params, name, optional=True)


#: ``crm.activity.*`` and others: names in capitals below ``fields``, everything is text.
LEGACY = Spelling(
    id_key="ID",
    name=_CAPITALS,
    family=queries.LEGACY,
    fields=lambda params: spelled(params, "fields"),
    row_id=_legacy_id,
    conditions=lambda params: spelled(params, "filter"),
    order=lambda params: spelled(params, "order"),
    select=lambda params: spelled(params, "select"),
    missing=lambda: PortalError("", "Not found"),
    printed=_text,
)

#: ``catalog.*``, ``sale.*`` and others: camel case below ``fields``, values keep their types.
CONTROLLER = Spelling(
    id_key="id",
    name=re.compile(r"[a-z][a-zA-Z0-9_]*"),
    family=queries.CONTROLLER,
    fields=lambda params: array(params, "fields"),
    row_id=lambda params: integer(params, "id"),
    conditions=_array("filter"),
    order=_array("order"),
    select=_array("select"),
    missing=lambda: PortalError("0", "Entity not found"),
    printed=lambda value: value,
)

#: ``sale.delivery.*`` and others: the fields are the params themselves, whose names may be small too.
FLAT = Spelling(
    id_key="ID",
    name=_CAPITALS,
    family=queries.LEGACY,
    fields=in_capitals,
    row_id=lambda params: _legacy_id(Params(in_capitals(params))),
    conditions=_in_capitals("FILTER"),
    order=_in_capitals("ORDER"),
    select=_in_capitals("SELECT"),
    missing=lambda: PortalError("ERROR_NOT_FOUND", "Not found"),
    printed=_text,
)

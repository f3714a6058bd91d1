"""Look up by a key of your own what exists on a portal, for example after an answer was lost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.errors import UnexpectedAnswer, UsageError
from b24batch.lists.conditions import copy_named, pop_param
from b24batch.lists.families import Family, Row, find_family
from b24batch.options import hide_arguments
from b24batch.redaction import shown
from b24batch.results import AjaxResult
from b24batch.session import Session

Found: TypeAlias = dict[str, list[JsonValue]]

_FIELD = re.compile(r"\w+", re.ASCII)
#: Methods whose filter takes ``=`` before any text field, and whose ``select`` returns it.
_METHODS = frozenset(
    f"crm.{entity}.list" for entity in ("activity", "company", "contact", "deal", "item", "lead", "quote")
)


@hide_arguments
def look_up(
    session: Session, method: str, field: str, keys: Iterable[str], params: dict[str, JsonValue] | None = None
) -> Found:
    """Look up which of your keys exist on the portal, and return the ids that each key has.

    One list call for each key, 50 in a request; it only reads. Every row is checked: only one
    whose field is exactly the key counts, and a filter that the portal ignores is an error.
    `Session.last_result` remains that of your last run.

    Args:
        session: The session.
        method: ``crm.item.list``, or ``crm.*.list`` for ``activity``, ``company``, ``contact``, ``deal``, ``lead`` or
            ``quote``.
        field: The field with the key, as rows have it: ``ORIGIN_ID``, ``UF_CRM_...``; ``originId``, ``xmlId`` or
            ``ufCrm...`` for ``crm.item.list``.
        keys: The keys. A key that occurs more than once is looked up once.
        params: More parameters, such as ``entityTypeId``, and a filter with further conditions. Default None.

    Returns:
        The ids by key. A key that does not exist is absent; one that exists more than once has several ids.

    Raises:
        UsageError: An argument is invalid. Nothing was sent.
        UnexpectedAnswer: The rows do not have the field, or another value in it.
        BatchError: The portal refused a call.
        SdkError: As in `Session.call_list`.
    """
    family, wanted = _find_family(method), _check_keys(field, keys)
    commands = [_search(method, family, field, key, params) for key in wanted]
    result = session._aside().batch_by_chunk(commands).raise_for_errors()
    found = {}
    for key, row in zip(wanted, result.rows, strict=True):
        rows = family.shape.find(method, row.data).rows
        if _has_more(rows, row):
            rows = session.call_list(method, row.command.params)
        found[key] = [each[family.id_key] for each in rows if _is_of(key, each, method, family, field)]
    return {key: ids for key, ids in found.items() if ids}


def _find_family(method: str) -> Family:
    if not isinstance(method, str) or method.casefold() not in _METHODS:
        raise UsageError(f"method: expected one of {', '.join(sorted(_METHODS))}, got {shown(method)}")
    return find_family(method, None, None, None)


def _check_keys(field: str, keys: Iterable[str]) -> list[str]:
    if not isinstance(field, str) or not _FIELD.fullmatch(field):
        raise UsageError(f"field: expected the name of a field, such as 'ORIGIN_ID', got {shown(field)}")
    is_one = isinstance(keys, str) or not isinstance(keys, Iterable)
    given: list[JsonValue] = [keys] if is_one else [*keys]
    wrong = [key for key in given if is_one or not isinstance(key, str) or not key.strip()]
    if wrong:
        raise UsageError(f"keys: expected texts that are not empty, got {shown(wrong[0])}")
    return list(dict.fromkeys(given))


def _search(method: str, family: Family, field: str, key: str, params: dict[str, JsonValue] | None) -> Command:
    rest = copy_named(method, params)
    for name in ("select", "order", "start"):
        if pop_param(method, rest, name) is not None:
            raise UsageError(f"params: {name} is set by look_up itself")
    given = pop_param(method, rest, "filter") or {}
    own = re.compile(rf"\W*{field}", re.IGNORECASE)
    if not isinstance(given, dict) or any(own.fullmatch(str(name)) for name in given):
        raise UsageError(f"params: expected a filter with other fields than {field}, got {shown(given)}")
    select = list(dict.fromkeys([family.cursor_id_key, field]))
    return Command(method, rest | {"filter": given | {f"={field}": key}, "select": select})


def _has_more(rows: list[JsonValue], row: AjaxResult) -> bool:
    return row.next is not None or row.total not in (None, len(rows))


def _is_of(key: str, row: Row, method: str, family: Family, field: str) -> bool:
    """Return whether the field of a row is the key; raise `UnexpectedAnswer` if the filter cannot have returned it."""
    if not isinstance(row, dict) or field not in row or family.id_key not in row:
        raise UnexpectedAnswer(f"{method}: expected rows with {family.id_key} and {field}, got {shown(row)}", data=row)
    values = row[field] if isinstance(row[field], list) else [row[field]]
    texts = [str(value) for value in values]
    if key.strip().casefold() not in (text.strip().casefold() for text in texts):  # how MySQL compares
        reason = f"expected only rows whose {field} is {shown(key)}, got {shown(row[field])}"
        raise UnexpectedAnswer(f"{method}: {reason}; the portal may ignore this filter", data=row)
    return key in texts

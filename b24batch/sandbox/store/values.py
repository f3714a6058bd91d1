"""How values are stored and printed."""

from __future__ import annotations

from collections.abc import Callable

from b24batch.sandbox.php.values import FALSY, JSON, list_items, to_int, to_mapping, to_text
from b24batch.sandbox.store.dates import to_date_text, to_datetime_text
from b24batch.sandbox.store.queries import Resolve
from b24batch.sandbox.store.rows import Row

#: Marks a value that is not stored at all: an invalid date.
DROPPED = object()


class Changes(list[Row]):
    """Changes to a field of several values, to be merged with what is stored."""


_Cast = Callable[[JSON], JSON]


def _to_double(value: JSON) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float(to_int(value))


def _make_date_cast(read: Callable[[str], str | None]) -> _Cast:
    def cast(value: JSON) -> JSON:
        """Return the date as it is stored."""
        if value is None or value == "":
            return None
        return read(to_text(value)) or DROPPED

    return cast


_CASTS: dict[str, _Cast] = {
    "integer": to_int,
    "double": _to_double,
    "string": to_text,
    "char": lambda value: "Y" if value in ("Y", "y") else "N",
    "boolean": lambda value: int(value in ("Y", "1", 1, True, "true")),
    "key": lambda value: int(value) if isinstance(value, str) and value.isdecimal() else value,
    "truth": lambda value: value not in FALSY,
    "datetime": _make_date_cast(to_datetime_text),
    "date": _make_date_cast(to_date_text),
    "crm_multifield": lambda value: Changes(map(to_mapping, to_mapping(value).values())),
}

#: ``crm.item.*`` knows exactly these as true; 1 and "1" are false.
_ITEM_TRUE = ("true", "y", "Y")


def _is_item_true(value: JSON) -> bool:
    return value is True or (isinstance(value, str) and value in _ITEM_TRUE)


_ITEM_CASTS: dict[str, _Cast] = {
    **_CASTS,
    "char": lambda value: "Y" if _is_item_true(value) else "N",
    "boolean": lambda value: int(_is_item_true(value)),
}

#: For ``crm.item.*`` an empty value clears any field, but 0 only those of other kinds.
_KEEPS_ZERO = ("integer", "double", "char", "string", "boolean")

#: Set by the portal alone.
READ_ONLY = frozenset(
    "ID DATE_CREATE DATE_MODIFY CREATED_BY_ID MODIFY_BY_ID CREATED_DATE CHANGED_DATE HAS_PHONE HAS_EMAIL HAS_IMOL "
    "STAGE_SEMANTIC_ID STATUS_SEMANTIC_ID".split()
)

#: Empty texts and arrays clear a field whatever its kind.
_EMPTY: tuple[JSON, ...] = (None, "", [], {})

_PRINTED: dict[str, _Cast] = {
    "integer": str,
    "boolean": str,
    "double": lambda value: format(value, ".2f"),
    "user": lambda value: value if isinstance(value, (list, dict)) else to_text(value),
}


def to_stored(kind: str, value: JSON) -> JSON:
    """Cast a value as the legacy methods do: the text "Array" or the number 1 for an array, clear with ""."""
    if kind in ("integer", "double") and value in (None, ""):
        return None
    return _CASTS[kind](value) if kind in _CASTS else value


def to_stored_item(kind: str, value: JSON) -> JSON:
    """Cast a value as ``crm.item.*`` does."""
    if kind not in ("char", "boolean") and (value in _EMPTY and value is not False):
        return None
    if value in (0, "0") and kind not in _KEEPS_ZERO:
        return None
    return _ITEM_CASTS[kind](value) if kind in _ITEM_CASTS else value


def to_printed(kind: str, value: JSON) -> JSON:
    """Return a stored value as the legacy methods print it: everything is text."""
    return None if value is None else _PRINTED.get(kind, lambda same: same)(value)


def cast_values(fields: JSON, resolve: Resolve, cast: Callable[[str, JSON], JSON]) -> Row:
    """Return what fields put into a row: unknown names, read-only ones and bad dates are dropped."""
    named = ((resolve(str(name)), value) for name, value in list_items(fields))
    known = ((field, value) for field, value in named if field and field[0] not in READ_ONLY)
    made = ((key, cast(kind, value)) for (key, kind), value in known)
    return {key: value for key, value in made if value is not DROPPED}

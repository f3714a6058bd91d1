"""Params as they are stored in a file: values that JSON can hold, and where among them the references are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from b24batch.aliases import JsonValue, Params
from b24batch.calls.references import CONTAINERS, Key, Ref, ref
from b24batch.calls.scalars import InvalidValue, is_boolean
from b24batch.calls.values import MAX_JSON_DEPTH, encoder_of, list_items
from b24batch.errors import UsageError
from b24batch.redaction import shown

_REF_KEYS = {"path", "target", "keys", "of"}


def to_stored(value: JsonValue, path: tuple[Key, ...], refs: list[JsonValue]) -> JsonValue:
    """Return a value as JSON holds it: dates and decimals as the text that is sent, references as the portal's text.

    Booleans and None remain, since their form on the wire depends on how the command is sent.

    Args:
        value: The value.
        path: The names and positions that lead to it.
        refs: Gets the place of each reference, and what it refers to.

    Raises:
        InvalidValue: If the value cannot be sent.
    """
    if value is None or is_boolean(type(value)):
        return None if value is None else bool(value)
    if isinstance(value, Ref):
        refs.append({"path": list(path), "target": value.target, "keys": list(value.path), "of": value.bucket})
        return value.text()
    try:
        items = _read_items(value, len(path))
        if items is None:
            return encoder_of(type(value))(value, ())
    except InvalidValue as error:
        error.locate(*map(str, path), *error.path)
        raise
    stored = {}
    for name, item in items:  # no comprehension: in Python 3.11 it would be another frame at every level
        stored[name] = to_stored(item, (*path, name), refs)
    return stored if isinstance(value, Mapping) else list(stored.values())


def _read_items(value: JsonValue, depth: int) -> list[tuple[Key, JsonValue]] | None:
    """Return the items of a list or mapping; None for another value."""
    if not isinstance(value, CONTAINERS):
        return None
    if depth >= MAX_JSON_DEPTH:
        raise InvalidValue(f"is nested more than {MAX_JSON_DEPTH} levels deep")
    return [*list_items(value)] if isinstance(value, Mapping) else [*enumerate(value)]


def from_stored(params: Params, refs: JsonValue) -> Params:
    """Return params with their references again; raise `UsageError` unless they are as `to_stored` writes them."""
    __tracebackhide__ = True
    for path, reference in _read_refs(refs):
        params = _put(params, path, reference)
    return params


def _read_refs(refs: JsonValue) -> Iterator[tuple[list[Key], Ref]]:
    __tracebackhide__ = True
    for stored in refs if isinstance(refs, list) else [refs]:
        try:
            if stored.keys() != _REF_KEYS or stored["of"] not in ("result", "total", "next"):
                raise ValueError
            reference = ref(stored["target"])
            for key in stored["keys"]:
                reference = reference[key]
            reference = reference if stored["of"] == "result" else getattr(reference, stored["of"])
            path = list(stored["path"])
        except (AttributeError, TypeError, ValueError):
            wrong = f"refs: expected mappings with path, target, keys and of, got {shown(stored)}"
        else:
            yield path, reference
            continue
        raise UsageError(wrong)


def _put(value: JsonValue, path: list[Key], reference: Ref) -> JsonValue:
    """Return a copy of `value` with the reference in place of its text."""
    __tracebackhide__ = True
    if not path and value == reference.text():
        return reference
    match value, path:
        case (dict(), [str(key), *rest]) if key in value:
            return value | {key: _put(value[key], rest, reference)}
        case (list(), [int(key), *rest]) if 0 <= key < len(value):
            return [*value[:key], _put(value[key], rest, reference), *value[key + 1 :]]
    raise UsageError(f"refs: expected {reference.text()!r} at the path of {reference!r}, got {shown(value)}")

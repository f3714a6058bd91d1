"""The caller's own conditions: what of the params of a list is kept, and joined with a cursor."""

from __future__ import annotations

from collections.abc import Mapping

from b24batch.encoding import JsonValue, Params, shown
from b24batch.errors import UsageError


def named(method: str, params: Params) -> dict[str, JsonValue]:
    """Return a copy of `params`; raise `UsageError` for positional ones."""
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise UsageError(f"{method}: a list is read with params by name, not {shown(params)}")
    return {str(name): value for name, value in params.items()}


def refuse(method: str, params: dict[str, JsonValue], names: list[str], why: str) -> None:
    """Raise `UsageError` when one of `names`, in whatever case, is among `params`."""
    refused = {name.casefold() for name in names}
    for name in params:
        if name.casefold() in refused:
            raise UsageError(f"{method}: a list is read without {name} in its params: {why}")


def taken(method: str, params: dict[str, JsonValue], wanted: str) -> JsonValue:
    """Take a parameter out of `params`, in whatever case it is written."""
    names = [name for name in params if name.casefold() == wanted.casefold()]
    if len(names) > 1:
        raise UsageError(f"{method}: params have {' and '.join(names)}")
    return params.pop(names[0]) if names else None


def joinable(method: str, conditions: JsonValue, *, groups: bool) -> dict[str, JsonValue]:
    """Return a filter that a condition can be added to: one with a logic of its own becomes a group in it.

    Raises:
        UsageError: For a logic where the method knows no groups, and would drop all of them without a word.
    """
    if isinstance(conditions, list | tuple):
        return {str(place): group for place, group in enumerate(conditions)}
    if conditions is not None and not isinstance(conditions, Mapping):
        raise UsageError(f"{method}: a filter is a mapping, not {shown(conditions)}")
    own = {str(name): value for name, value in (conditions or {}).items()}
    if not any(name.casefold() == "logic" for name in own):
        return own
    if groups:
        return {"0": own}
    raise UsageError(f"{method}: a filter with a logic cannot be joined with a cursor here; use paging='start'")


def with_id(select: JsonValue, id_key: str) -> JsonValue:
    """Return a select with the id added to it, unless it selects everything."""
    names = list(select.values()) if isinstance(select, Mapping) else select
    if not isinstance(names, list | tuple) or not names or "*" in names or id_key in names:
        return select
    return [*names, id_key]

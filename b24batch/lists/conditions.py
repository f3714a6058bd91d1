"""The caller's params of a list method: checks them, and prepares them for paging."""

from __future__ import annotations

from collections.abc import Mapping

from b24batch.aliases import JsonValue, Params
from b24batch.errors import UsageError
from b24batch.lists.list_methods import CONDITIONS_OUTSIDE, PLACES
from b24batch.redaction import shown


def copy_named(method: str, params: Params) -> dict[str, JsonValue]:
    """Return a copy of `params`; raise `UsageError` for positional ones."""
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        way = "only paging='whole' accepts a list"
        raise UsageError(f"{method}: expected params by name, got {shown(params)}; {way}")
    return {str(name): value for name, value in params.items()}


def gather_conditions(method: str, params: dict[str, JsonValue], wanted: str) -> dict[str, JsonValue]:
    """Return `params` with the conditions beside the filter moved into it, where the portal would silently drop them.

    Args:
        method: The list method.
        params: The params by name.
        wanted: The name of the filter parameter.

    Raises:
        UsageError: If a condition is given twice.
    """
    staying = CONDITIONS_OUTSIDE.get(method.casefold())
    if staying is None:
        return params
    kept = {*staying.split(), wanted.casefold()}
    outside = {name: value for name, value in params.items() if name.casefold() not in kept}
    rest = {name: value for name, value in params.items() if name not in outside}
    own = _copy_filter(method, pop_param(method, rest, wanted))
    if twice := {name.casefold() for name in outside} & {name.casefold() for name in own}:
        raise UsageError(f"{method}: {', '.join(sorted(twice))} is given twice, in {wanted} and beside it")
    return {**rest, wanted: {**outside, **own}} if outside or own else rest


def place_params(method: str, params: Params) -> Params:
    """Return params by name in the order that the portal expects, with an empty list for each omitted one.

    Raises:
        UsageError: If a name is unknown, or the first one is missing.
    """
    places = PLACES.get(method.casefold())
    if places is None or not isinstance(params, Mapping):
        return params
    given = {str(name).casefold(): (str(name), value) for name, value in params.items()}
    names = places.split()
    if names[0].endswith("?"):
        names = [names[0][:-1], *names[1:]] if names[0][:-1].casefold() in given else names[1:]
    order = [name.casefold() for name in names]
    if len(given) < len(params) or not given.keys() <= set(order) or ("taskid" in order and "taskid" not in given):
        raise UsageError(
            f"{method} takes its arguments by position: expected {places}, got {', '.join(map(str, params))}"
        )
    spell = str.lower if all(str(name).islower() for name in params) else str
    last = max((order.index(name) for name in given), default=-1)
    return dict(given.get(key, (spell(name), [])) for key, name in zip(order[: last + 1], names, strict=False))


def respell(method: str, params: dict[str, JsonValue], *names: str) -> dict[str, JsonValue]:
    """Return `params` with these names in the case that a known method expects; the portal drops other spellings."""
    spelt = {name.casefold(): name for name in names if name and method.casefold() not in PLACES}
    if len({name.casefold() for name in params}) < len(params):
        return params
    return {spelt.get(name.casefold(), name): value for name, value in params.items()}


def refuse(method: str, params: dict[str, JsonValue], names: list[str], why: str) -> None:
    """Raise `UsageError` if one of `names`, whatever its case, is among `params`."""
    refused = {name.casefold() for name in names}
    for name in params:
        if name.casefold() in refused:
            raise UsageError(f"{method}: omit {name} from the params: {why}")


def pop_param(method: str, params: dict[str, JsonValue], wanted: str) -> JsonValue:
    """Remove a parameter from `params`, whatever its case, and return its value; None if there is none."""
    name = _find_name(method, params, wanted)
    return None if name is None else params.pop(name)


def normalize_filter(method: str, conditions: JsonValue, *, groups: bool) -> dict[str, JsonValue]:
    """Return the filter as a mapping that a condition can be added to; one with a ``LOGIC`` becomes a group in it.

    Raises:
        UsageError: If the filter has a ``LOGIC`` but the method does not support groups, and would silently drop it.
    """
    if isinstance(conditions, list | tuple):
        return {str(place): group for place, group in enumerate(conditions)}
    own = _copy_filter(method, conditions)
    if not any(name.casefold() == "logic" for name in own):
        return own
    if groups:
        return {"0": own}
    raise UsageError(f"{method}: a filter with a LOGIC does not work with a cursor here; use paging='start'")


def select_id(method: str, params: dict[str, JsonValue], id_key: str) -> None:
    """Add the id to the select in `params`, whatever its case, unless it selects everything."""
    name = _find_name(method, params, "select")
    if name is not None:
        params[name] = _add_id(params[name], id_key)


def _find_name(method: str, params: dict[str, JsonValue], wanted: str) -> str | None:
    names = [name for name in params if name.casefold() == wanted.casefold()]
    if len(names) > 1:
        raise UsageError(f"{method}: params have {' and '.join(names)}")
    return names[0] if names else None


def _copy_filter(method: str, conditions: JsonValue) -> dict[str, JsonValue]:
    if conditions is not None and not isinstance(conditions, Mapping):
        raise UsageError(f"{method}: filter: expected a mapping, got {shown(conditions)}")
    return {str(name): value for name, value in (conditions or {}).items()}


def _add_id(select: JsonValue, id_key: str) -> JsonValue:
    names = list(select.values()) if isinstance(select, Mapping) else select
    if not isinstance(names, list | tuple) or not names or "*" in names or id_key in names:
        return select
    return [*names, id_key]

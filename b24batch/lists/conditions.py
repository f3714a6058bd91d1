"""The caller's own params of a list: what of them is kept, and joined with what its pages need."""

from __future__ import annotations

from collections.abc import Mapping

from b24batch.aliases import JsonValue, Params
from b24batch.errors import UsageError
from b24batch.lists.list_methods import CONDITIONS_OUTSIDE, PLACES
from b24batch.redaction import shown


def named(method: str, params: Params) -> dict[str, JsonValue]:
    """Return a copy of `params`; raise `UsageError` for positional ones."""
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        way = "only paging='whole' takes others"
        raise UsageError(f"{method}: a list of pages is read with params by name, not {shown(params)}; {way}")
    return {str(name): value for name, value in params.items()}


def gathered(method: str, params: dict[str, JsonValue], wanted: str) -> dict[str, JsonValue]:
    """Return `params` with the conditions beside a filter in it, where the portal would drop them without a word.

    Args:
        method: Whose conditions may stand outside.
        params: By name.
        wanted: What the parameter of the filter is called.

    Raises:
        UsageError: For a condition that is given twice.
    """
    staying = CONDITIONS_OUTSIDE.get(method.casefold())
    if staying is None:
        return params
    kept = {*staying.split(), wanted.casefold()}
    outside = {name: value for name, value in params.items() if name.casefold() not in kept}
    rest = {name: value for name, value in params.items() if name not in outside}
    inside = taken(method, rest, wanted)
    if inside is not None and not isinstance(inside, Mapping):
        raise UsageError(f"{method}: a filter is a mapping, not {shown(inside)}")
    own = {str(name): value for name, value in (inside or {}).items()}
    if twice := {name.casefold() for name in outside} & {name.casefold() for name in own}:
        raise UsageError(f"{method}: {', '.join(sorted(twice))} is given twice, in {wanted} and beside it")
    return {**rest, wanted: {**outside, **own}} if outside or own else rest


def placed(method: str, params: Params) -> Params:
    """Return params by name in the places where the portal looks for them, with an empty list for one left out.

    Raises:
        UsageError: For a name that has no place, and where the first is missing.
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
        raise UsageError(f"{method} takes its arguments by place: {places}; got {', '.join(map(str, params))}")
    spell = str.lower if all(str(name).islower() for name in params) else str
    last = max((order.index(name) for name in given), default=-1)
    return dict(given.get(key, (spell(name), [])) for key, name in zip(order[: last + 1], names, strict=False))


def respelt(method: str, params: dict[str, JsonValue], *names: str) -> dict[str, JsonValue]:
    """Return `params` with these names as a known method spells them: the portal drops one in another case."""
    spelt = {name.casefold(): name for name in names if name and method.casefold() not in PLACES}
    if len({name.casefold() for name in params}) < len(params):
        return params
    return {spelt.get(name.casefold(), name): value for name, value in params.items()}


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


def select_id(method: str, params: dict[str, JsonValue], id_key: str) -> None:
    """Add the id to the select in `params`, in whatever case it is written, unless it selects everything."""
    names = [name for name in params if name.casefold() == "select"]
    if len(names) > 1:
        raise UsageError(f"{method}: params have {' and '.join(names)}")
    for name in names:
        params[name] = _with_id(params[name], id_key)


def _with_id(select: JsonValue, id_key: str) -> JsonValue:
    names = list(select.values()) if isinstance(select, Mapping) else select
    if not isinstance(names, list | tuple) or not names or "*" in names or id_key in names:
        return select
    return [*names, id_key]

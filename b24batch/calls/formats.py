"""The formats in which a caller passes calls, each turned into a `Command`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

import attrs

from b24batch.aliases import JsonValue, Params
from b24batch.calls.commands import METHOD, Command, describe_invalid_name
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: A call in any of its three formats.
Call: TypeAlias = Command | Mapping[str, JsonValue] | tuple[str] | tuple[str, Params] | list[JsonValue]
#: Calls, or calls by name.
Calls: TypeAlias = Iterable[Call] | Mapping[str, Call]
_Tuple: TypeAlias = tuple[JsonValue, ...]
#: A variable with calls in several formats. mypy infers for it only what the formats have in common; an argument that
#: is written out in the call is still checked against `Call`.
CallList = TypeVar(
    "CallList", bound=list[object] | list[_Tuple] | list[Sequence[JsonValue]] | list[Collection[JsonValue]]
)
CallDict = TypeVar(
    "CallDict",
    bound=dict[str, object] | dict[str, _Tuple] | dict[str, Sequence[JsonValue]] | dict[str, Collection[JsonValue]],
)


def normalize(calls: Iterable[JsonValue]) -> Iterator[tuple[str, Command]]:
    """Yield the key in the request and the `Command` of each call, so that later code sees one format only.

    Raises:
        UsageError: If a call is invalid, when it is reached. The message has its position and value.
    """
    if isinstance(calls, str | bytes | Command) or not isinstance(calls, Iterable):
        raise UsageError(f"calls: expected a list or a mapping of calls, got {shown(calls)}")
    named = isinstance(calls, Mapping)
    return _normalize_each(iter(calls.items() if isinstance(calls, Mapping) else enumerate(calls)), named=named)


def _normalize_each(calls: Iterator[tuple[JsonValue, Call]], *, named: bool) -> Iterator[tuple[str, Command]]:
    for key, call in calls:
        try:
            command = _to_named_command(key, call) if named else _to_command(call)
        except UsageError as error:
            wrong = error.description
        else:
            yield (str(key) if command.name is None else command.name), command
            continue
        raise UsageError(f"call {shown(key)}: {wrong}")


def _to_named_command(name: str, call: Call) -> Command:
    if wrong := describe_invalid_name(name):
        raise UsageError(wrong)
    command = _to_command(call)
    if command.name not in (None, name):
        raise UsageError(f"the Command has a different name, {shown(command.name)}")
    return attrs.evolve(command, name=name)


def _to_command(call: Call) -> Command:
    match call:  # tuples come first: they are the most common, and quickly found
        case [_] | [_, _]:
            return Command(*call)
        case Command():
            return call
        case Mapping() if "method" in call:
            return _read_mapping(call)
    raise UsageError(_describe_invalid_call(call))


def _describe_invalid_call(call: object) -> str:
    advice = f'; write ("{call}",), a tuple' if isinstance(call, str) and METHOD.fullmatch(call) else ""
    return f'expected a (method, params) tuple, a mapping with a "method", or a Command; got {shown(call)}{advice}'


def _read_mapping(call: Mapping[str, JsonValue]) -> Command:
    if unknown := call.keys() - {"method", "params"}:
        raise UsageError(f"expected only the keys method and params, got {', '.join(sorted(map(shown, unknown)))}")
    return Command(call["method"], call.get("params"))

"""Commands: what the caller hands over in three formats, and the text that travels for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import attrs

from b24batch.encoding import (
    JsonValue,
    Params,
    Unfit,
    WireParams,
    query_text,
    refuse_renumbered,
    shown,
    wire_params,
    wire_text,
)
from b24batch.errors import UsageError

#: Our own bound on the body of one request: a portal takes far more, but has 60 seconds for all of it.
MAX_BODY_BYTES = 4_000_000
#: What a batch's body has around its commands.
ENVELOPE_BYTES = len('{"halt": 1, "cmd": {}}')

_METHOD = re.compile(r"(?:(?P<vendor>[A-Za-z0-9_]+):)?[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*", re.ASCII)
_FORMAT_SUFFIXES = (".json", ".xml")
#: A portal refuses these inside a batch, but looks at their case only.
_NOT_IN_A_BATCH = frozenset({"batch", "download", "upload"})


def _check_method(method: object) -> None:
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise UsageError(f"a method looks like crm.deal.add, not like {shown(method)}")
    if method.casefold().endswith(_FORMAT_SUFFIXES):
        raise UsageError(f"a method is written without a format at its end: {shown(method)}")


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(f"a name is text of at least one character, not {shown(name)}")
    try:
        wire_text(name)
    except Unfit as unfit:
        reason = unfit.reason
    else:
        return
    raise UsageError(f"a name {reason}")


def _check_params(params: object) -> None:
    if not isinstance(params, Mapping | list | tuple | None):
        raise UsageError(f"params are a mapping, or a list for a positional method, not {shown(params)}")


@attrs.frozen
class Command:
    """One call of a method, to be sent alone or in a batch.

    Args:
        method: A method of the portal, such as ``crm.deal.add``; it may start with ``vendor:``.
        params: Its parameters by name; a list for the positional ``task.*`` methods; None for no parameters.
        name: The key under which its outcome is found; by default its position in the list of calls.
        idempotent: Whether it may run twice with the effect of once. Only then, or when its method is known to
            only read, is it sent again after its answer was lost.

    Raises:
        UsageError: For a method, name or params of the wrong shape.
    """

    method: str
    params: Params = None
    name: str | None = attrs.field(default=None, kw_only=True)
    idempotent: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check_method(self.method)
        _check_params(self.params)
        if self.name is not None:
            _check_name(self.name)


#: A call in any of its three formats.
Call: TypeAlias = Command | Mapping[str, JsonValue] | tuple[str] | tuple[str, Params] | list[JsonValue]


@attrs.frozen
class EncodedCommand:
    """A command with all that its request needs, made once.

    Attributes:
        name: Its key in the request.
        command: What the caller handed over.
        label: What an error message calls it.
        text: The command text for a batch; empty when it cannot travel in one.
        params: The parameters of a direct call; None when it travels in a batch.
        obstacle: Why it cannot travel in a batch; empty when it can.
    """

    name: str
    command: Command
    label: str
    text: str = ""
    params: WireParams | None = None
    obstacle: str = ""

    @property
    def size(self) -> int:
        """The bytes it adds to the body of a batch."""
        return _size(self.name, self.text)


def encoded_calls(calls: Iterable[Call] | Mapping[str, Call]) -> Iterator[EncodedCommand]:
    """Return an iterator over `calls` that normalises and encodes each as it is reached; see both."""
    named = isinstance(calls, Mapping)
    commands = enumerate(normalize(calls))
    return (encode(name, command, _place(position, command, named=named)) for position, (name, command) in commands)


def _place(position: int, command: Command, *, named: bool) -> str:
    own = [] if command.name is None else [shown(command.name)]
    return " ".join([*([] if named else [str(position)]), *own])


def normalize(calls: Iterable[Call] | Mapping[str, Call]) -> Iterator[tuple[str, Command]]:
    """Yield the name on the wire and the `Command` of each call; no later code tests a format.

    Raises:
        UsageError: For anything that is not a call; it names position and value. Raised as the call is reached.
    """
    if isinstance(calls, str | bytes | Command) or not isinstance(calls, Iterable):
        raise UsageError(f"calls are a list or a mapping of calls, not {shown(calls)}")
    if isinstance(calls, Mapping):
        return (_named(name, call) for name, call in calls.items())
    return (_placed(position, call) for position, call in enumerate(calls))


def _placed(position: int, call: Call) -> tuple[str, Command]:
    try:
        command = _command(call)
    except UsageError as error:
        reason = error.description
    else:
        return (str(position) if command.name is None else command.name), command
    raise UsageError(f"call {position}: {reason}")


def _named(name: str, call: Call) -> tuple[str, Command]:
    try:
        _check_name(name)
        command = _command(call)
        if command.name not in (None, name):
            raise UsageError(f"it has another name of its own, {shown(command.name)}")
    except UsageError as error:
        reason = error.description
    else:
        return name, attrs.evolve(command, name=name)
    raise UsageError(f"call {shown(name)}: {reason}")


def _command(call: Call) -> Command:
    match call:
        case Command():
            return call
        case Mapping() if "method" in call:
            return _command_of_mapping(call)
        case [method] | [method, None]:
            return Command(method)
        case [method, params]:
            return Command(method, params)
    raise UsageError(f"this is no (method, params), no mapping with a method and no Command: {shown(call)}")


def _command_of_mapping(call: Mapping[str, JsonValue]) -> Command:
    if unknown := call.keys() - {"method", "params"}:
        raise UsageError(f"a call has the keys method and params, not {', '.join(sorted(map(shown, unknown)))}")
    return Command(call["method"], call.get("params"))


def encode(name: str, command: Command, place: str) -> EncodedCommand:
    """Return `command` ready for a batch, or for a direct call where a batch would change it.

    Args:
        name: Its key in the request.
        command: What to send.
        place: What an error message calls it, a position or a name.

    Raises:
        UsageError: For a value that can be sent in no way; it names the command and the path to the value.
    """
    label = f"call {place} ({command.method})"
    try:
        return _encode(name, command, label)
    except Unfit as unfit:
        reason = str(unfit)
    raise UsageError(f"{label}: {reason}")


def _encode(name: str, command: Command, label: str) -> EncodedCommand:
    if command.method.casefold() in _NOT_IN_A_BATCH:
        raise Unfit("cannot be called inside a batch")
    params = wire_params(command.params, command.method)
    try:
        return EncodedCommand(name, command, label, _text(name, command.method, params))
    except Unfit as unfit:
        obstacle = str(unfit)
    try:
        refuse_renumbered(params)
    except Unfit as unfit:
        raise Unfit(f"{unfit}; and in a batch {obstacle}") from None
    return EncodedCommand(name, command, label, params=params, obstacle=obstacle)


def _text(name: str, method: str, params: WireParams) -> str:
    if ":" in method:
        raise Unfit("a batch would drop the part of the method before the colon")
    query = query_text(params)
    text = f"{method}?{query}" if query else method
    if _size(name, text) + ENVELOPE_BYTES > MAX_BODY_BYTES:
        raise Unfit(f"it is more than {MAX_BODY_BYTES} bytes of text")
    return text


def _size(name: str, text: str) -> int:
    return len(text) + len(json.dumps(name)) + len('"": , ')


def encode_direct(command: Command) -> WireParams:
    """Return the parameters of `command` for a direct call; raise `UsageError` as `encode` does."""
    try:
        params = wire_params(command.params, command.method)
        refuse_renumbered(params)
    except Unfit as unfit:
        reason = str(unfit)
    else:
        return params
    raise UsageError(f"{command.method}: {reason}")


def refuse_duplicates(commands: Iterable[EncodedCommand]) -> None:
    """Raise `UsageError` when two of `commands` have one name: the portal would run only the last of them."""
    seen = set()
    for encoded in commands:
        if encoded.name in seen:
            raise UsageError(f"two calls have the name {shown(encoded.name)}")
        seen.add(encoded.name)

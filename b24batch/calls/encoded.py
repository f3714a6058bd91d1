"""Commands ready to be sent: each with its text for a batch, or with the reason why it is sent alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum

import attrs

from b24batch.aliases import JsonValue, Params, WireParams
from b24batch.calls.commands import Command
from b24batch.calls.earlier import Earlier
from b24batch.calls.formats import normalize
from b24batch.calls.query import Query
from b24batch.calls.references import Ref, find_references, has_references, replace_references
from b24batch.calls.values import describe_renumbered, wire_params
from b24batch.calls.words import NOT_IN_A_BATCH, measure_command, write_command
from b24batch.errors import UsageError
from b24batch.redaction import shown

_REFERS = "has a ref(...) in its params; use batch, batch_by_chunk or stream_batch"


class Way(Enum):
    """How a command is sent."""

    BATCH = "with others, in a batch"
    DIRECT = "alone, as a direct call"


@attrs.define
class EncodedCommand:
    """A command with everything that its request needs.

    Attributes:
        name: Its key in the request.
        command: The command as the caller passed it.
        position: Its place in the calls; None if those were a mapping.
        text: The command text for a batch; empty for a direct call.
        params: The parameters, if it is a direct call or has references; otherwise None.
        way: How it is sent.
        obstacle: Why a batch would change it; empty if it would not.
        references: The references in `params`, with the keys of their commands in the request.
    """

    name: str
    command: Command
    position: int | None
    text: str = ""
    params: WireParams | None = None
    way: Way = Way.BATCH
    obstacle: str = ""
    references: tuple[Ref, ...] = ()

    @property
    def label(self) -> str:
        """Its name in error messages."""
        place = [] if self.position is None else [str(self.position)]
        name = [] if self.command.name is None else [shown(self.command.name)]
        return f"call {' '.join(place + name)} ({self.command.method})"

    @property
    def size(self) -> int:
        """The bytes it adds to the body of a batch."""
        return measure_command(self.name, self.text)


def encode_calls(calls: Iterable[JsonValue], *, halt: bool, memory: int | None = None) -> Iterator[EncodedCommand]:
    """Return an iterator over `calls` that normalises and encodes each call when it is reached.

    Args:
        calls: In any format.
        halt: Whether the portal skips the rest of a request after an error in it.
        memory: How many calls back a reference may lead; None for no maximum.
    """
    commands = normalize(calls)
    return _encode_each(commands, Earlier(memory), named=isinstance(calls, Mapping), halt=halt)


def _encode_each(
    commands: Iterator[tuple[str, Command]], earlier: Earlier, *, named: bool, halt: bool
) -> Iterator[EncodedCommand]:
    alone, encode = [], functools.partial(_encode, earlier=earlier, halt=halt)
    for position, (name, command) in enumerate(commands):
        encoded = EncodedCommand(name, command, None if named else position)
        _label_error(encode, encoded)
        if encoded.way is Way.DIRECT and earlier.memory is None:
            alone.append(encoded)
        yield encoded
        earlier.add(name, command.name)
    for encoded in alone:
        _label_error(lambda encoded: earlier.refuse_spelt(encoded.params, encoded.name), encoded)


def _label_error(step: Callable[[EncodedCommand], None], encoded: EncodedCommand) -> None:
    """Call `step`; if it raises a `UsageError`, put the label of the command before its text."""
    try:
        step(encoded)
    except UsageError as error:
        reason = error.description
    else:
        return
    raise UsageError(f"{encoded.label}: {reason}")


def _encode(encoded: EncodedCommand, earlier: Earlier, *, halt: bool) -> None:
    """Encode a command for a batch, or for a direct call if a batch would change it.

    Raises:
        UsageError: If a value cannot be sent at all. The message has the path to the value.
    """
    command, plain = encoded.command, False
    if command.method.casefold() in NOT_IN_A_BATCH:
        raise UsageError("this method is not allowed inside a batch; use call")
    try:
        encoded.text, references = write_batch_text(encoded.name, command.method, command.params, halt=halt)
        plain = not references  # like nearly all commands
    except UsageError:
        pass  # a direct call may be able to send it
    if not plain:
        _bind(encoded, earlier, halt=halt)


def write_batch_text(name: str, method: str, params: Params, *, halt: bool) -> tuple[str, list[Ref]]:
    """Return the text of a command for a batch, and its references; raise `UsageError` if a batch would change it."""
    if ":" in method:
        raise UsageError("a batch would drop the part of the method before the colon")
    query = Query(params, method, halt=halt)
    return write_command(name, method, query.text), query.references


def _bind(encoded: EncodedCommand, earlier: Earlier, *, halt: bool) -> None:
    params = wire_params(encoded.command.params, encoded.command.method)
    encoded.references = tuple(earlier.bind(reference) for reference in find_references(params))
    encoded.params = replace_references(params, earlier.bind) if encoded.references else params
    _choose_way(encoded, halt=halt)
    if encoded.way is Way.DIRECT:
        earlier.refuse_spelt(encoded.params, encoded.name)


def resolve(encoded: EncodedCommand, values: Mapping[Ref, JsonValue], *, halt: bool) -> EncodedCommand:
    """Return a command with references replaced by these values; raise `UsageError` if it cannot be sent."""
    params = replace_references(encoded.params, lambda reference: values.get(reference, reference))
    params = wire_params(params, encoded.command.method)
    references = tuple(reference for reference in encoded.references if reference not in values)
    copy = EncodedCommand(encoded.name, encoded.command, encoded.position, params=params, references=references)
    _choose_way(copy, halt=halt)
    return copy


def _choose_way(encoded: EncodedCommand, *, halt: bool) -> None:
    params = encoded.params or {}
    try:
        encoded.text, _ = write_batch_text(encoded.name, encoded.command.method, params, halt=halt)
    except UsageError as error:
        encoded.way, encoded.text, encoded.obstacle = Way.DIRECT, "", error.description
        wrong = describe_renumbered(params)
    else:
        encoded.params, wrong = params if encoded.references else None, ""
    if wrong:
        raise UsageError(f"{wrong}; and in a batch, {encoded.obstacle}")


def encode_direct(command: Command) -> WireParams:
    """Return the parameters of `command` for a direct call; raise `UsageError` as `encode_calls` does."""
    try:
        params = wire_params(command.params, command.method)
        wrong = describe_renumbered(params) or (_REFERS if has_references(params) else "")
    except UsageError as error:
        wrong = error.description
    if wrong:
        raise UsageError(f"{command.method}: {wrong}")
    return params

"""Chunks: a chunk holds the commands of one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from b24batch.calls.encoded import EncodedCommand, Way
from b24batch.calls.methods import NEW_IDS, is_read
from b24batch.calls.references import Ref
from b24batch.calls.words import ENVELOPE_BYTES, MAX_BODY_BYTES
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: The portal's limit: command 51 fails with ERROR_BATCH_LENGTH_EXCEEDED.
MAX_COMMANDS = 50


def refuse_duplicates(commands: Iterable[EncodedCommand]) -> None:
    """Raise `UsageError` if two commands have the same name: the portal would run only the last of them."""
    seen = set()
    for encoded in commands:
        if encoded.name in seen:
            raise UsageError(f"two calls have the same name, {shown(encoded.name)}; names must be unique")
        seen.add(encoded.name)


@attrs.frozen
class Chunk:
    """The commands of one request, in order: a batch, or a single command that is sent as a direct call."""

    commands: tuple[EncodedCommand, ...]

    @property
    def names(self) -> list[str]:
        """The keys of its commands in the request."""
        return [command.name for command in self.commands]

    def has_references(self) -> bool:
        """Return whether any of its commands has a reference."""
        return any(command.references for command in self.commands)

    @property
    def alone(self) -> EncodedCommand | None:
        """The command that is sent as a direct call; None for a batch."""
        first = self.commands[0]
        return first if first.way is Way.DIRECT else None


def cut(commands: Iterable[EncodedCommand], size: int = MAX_COMMANDS, *, halt: bool = True) -> Iterator[Chunk]:
    """Yield chunks of at most `size` commands and 4 MB, each as soon as it is full, without reading ahead.

    A chunk also ends before a command with a reference into it that must not be left to the portal; see `find_unsafe`.
    """
    waiting: list[EncodedCommand] = []
    room = empty = MAX_BODY_BYTES - ENVELOPE_BYTES
    for command in commands:
        depends = command.references and find_unsafe(command, waiting, halt=halt) is not None
        size_of, is_direct = command.size, command.way is Way.DIRECT
        if waiting and (is_direct or size_of > room or depends):
            yield Chunk(tuple(waiting))
            waiting, room = [], empty
        waiting.append(command)
        room -= size_of
        if is_direct or len(waiting) == size:
            yield Chunk(tuple(waiting))
            waiting, room = [], empty
    if waiting:
        yield Chunk(tuple(waiting))


def find_unsafe(command: EncodedCommand, others: Iterable[EncodedCommand], *, halt: bool) -> Ref | None:
    """Return a reference of `command` to one of `others` that must not be left to the portal, or None.

    If a value is missing in the answer, the portal silently inserts a wrong one. So a reference is left to the portal
    only if it leads to a new id whose place in the answer is documented, or if its command only reads; and only with
    `halt`, because without it the command runs even if the one it refers to has failed.
    """
    if halt and is_read(command.command.method):
        return None
    methods = {other.name: other.command.method.casefold() for other in others}
    for reference in command.references:
        method = methods.get(str(reference.target))
        sure = halt and reference.bucket == "result" and NEW_IDS.get(str(method)) == reference.path
        if method is not None and not sure:
            return reference
    return None


def cut_one(commands: list[EncodedCommand], *, halt: bool) -> Chunk:
    """Return the only chunk of `commands`; raise `UsageError` if there are none, or too many for one request."""
    if not commands:
        raise UsageError("calls: expected at least one call, got none; batch_by_chunk accepts an empty list")
    if len(commands) > MAX_COMMANDS:
        raise UsageError(
            f"calls: expected at most {MAX_COMMANDS} in one batch, got {len(commands)}; use batch_by_chunk"
        )
    for command in commands:
        if command.way is Way.DIRECT:
            reason = f"cannot be sent in a batch: {command.obstacle}; batch_by_chunk sends it alone"
            raise UsageError(f"{command.label} {reason}")
        reference = find_unsafe(command, commands, halt=halt) if command.references else None
        if reference is not None:
            raise UsageError(f"{command.label} {_explain_unsafe(reference, halt=halt)}")
    chunk, *more = cut(commands)
    if more:
        raise UsageError(f"the calls take more than {MAX_BODY_BYTES} bytes together; use batch_by_chunk")
    return chunk


def _explain_unsafe(reference: Ref, *, halt: bool) -> str:
    if not halt:
        reason = "refers to another call, which needs halt_on_error=True: if that call failed, this one would run"
        return f"{reason} with a wrong value; batch_by_chunk sends it in a later request"
    reason = f"has {reference!r}, which may be missing in the answer: then the portal would insert a wrong value"
    return f"{reason}; batch_by_chunk checks it first and sends this call in a later request"

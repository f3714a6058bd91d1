"""Chunks: a chunk is what one request carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from b24batch.calls.encoded import EncodedCommand, Way
from b24batch.calls.methods import NEW_IDS, is_read
from b24batch.calls.references import Ref
from b24batch.calls.words import ENVELOPE_BYTES, MAX_BODY_BYTES
from b24batch.errors import UsageError
from b24batch.redaction import shown

#: Portal-imposed: command 51 fails with ERROR_BATCH_LENGTH_EXCEEDED.
MAX_COMMANDS = 50


def refuse_duplicates(commands: Iterable[EncodedCommand]) -> None:
    """Raise `UsageError` when two of `commands` have one name: the portal would run only the last of them."""
    seen = set()
    for encoded in commands:
        if encoded.name in seen:
            raise UsageError(f"two calls have the name {shown(encoded.name)}")
        seen.add(encoded.name)


@attrs.frozen
class Chunk:
    """The commands of one request, in order: one batch, or one command that goes alone as a direct call."""

    commands: tuple[EncodedCommand, ...]

    @property
    def has_references(self) -> bool:
        """Whether a value of one of its commands depends on another command."""
        return any(command.references for command in self.commands)

    @property
    def alone(self) -> EncodedCommand | None:
        """The command that travels as a direct call; None for a batch."""
        first = self.commands[0]
        return first if first.way is Way.DIRECT else None


def cut(commands: Iterable[EncodedCommand], size: int = MAX_COMMANDS, *, halt: bool = True) -> Iterator[Chunk]:
    """Yield chunks of at most `size` commands and 4 MB, as soon as each is full, reading no further ahead.

    A chunk also ends before a command with a reference into it that the portal may not follow; see `unsure`.
    """
    waiting: list[EncodedCommand] = []
    room = empty = MAX_BODY_BYTES - ENVELOPE_BYTES
    for command in commands:
        depends = command.references and unsure(command, waiting, halt=halt) is not None
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


def unsure(command: EncodedCommand, others: Iterable[EncodedCommand], *, halt: bool) -> Ref | None:
    """Return a reference of `command` to one of `others` that no portal may follow; None when there is none.

    A portal puts in another value, and does not say so, for what is not in the answer. So it follows a reference only
    to a new id, whose place in the answer is documented, or for a command that only reads; and with `halt`, since
    without it the dependent of a failed command runs as well.
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


def single(commands: list[EncodedCommand], *, halt: bool) -> Chunk:
    """Return the one chunk that `commands` make; raise `UsageError` when they make none, or more than one."""
    if not commands:
        raise UsageError("a batch without commands; batch_by_chunk takes an empty list")
    if len(commands) > MAX_COMMANDS:
        raise UsageError(f"a batch holds {MAX_COMMANDS} commands, not {len(commands)}; use batch_by_chunk")
    for command in commands:
        if command.way is Way.DIRECT:
            reason = f"cannot go in a batch: {command.obstacle}; batch_by_chunk sends it alone"
            raise UsageError(f"{command.label} {reason}")
        reference = unsure(command, commands, halt=halt) if command.references else None
        if reference is not None:
            raise UsageError(f"{command.label} {_why_unsure(reference, halt=halt)}")
    chunk, *more = cut(commands)
    if more:
        raise UsageError(f"the commands are more than {MAX_BODY_BYTES} bytes together; use batch_by_chunk")
    return chunk


def _why_unsure(reference: Ref, *, halt: bool) -> str:
    if not halt:
        reason = "refers to another call, which needs halt_on_error=True: after an error it would run all the same"
        return f"{reason}, with a wrong value; batch_by_chunk sends it in a later request"
    reason = f"has {reference!r}, and nobody knows before the answer whether it holds that: where it does not"
    return f"{reason}, a portal puts in another value; batch_by_chunk looks first and sends it in a later request"

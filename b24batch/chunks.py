"""Chunks: a chunk is what one request carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from b24batch.commands import ENVELOPE_BYTES, MAX_BODY_BYTES, EncodedCommand
from b24batch.encoding import shown
from b24batch.errors import UsageError

#: Portal-imposed: command 51 fails with ERROR_BATCH_LENGTH_EXCEEDED.
MAX_COMMANDS = 50


@attrs.frozen
class Chunk:
    """The commands of one request, in order: one batch, or one command that goes alone as a direct call."""

    commands: tuple[EncodedCommand, ...]

    @property
    def alone(self) -> EncodedCommand | None:
        """The command that travels as a direct call; None for a batch."""
        first = self.commands[0]
        return first if first.obstacle else None


def check_size(size: object) -> None:
    """Raise `UsageError` unless `size` commands fit into one batch."""
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_COMMANDS:
        raise UsageError(f"chunk_size is a whole number from 1 to {MAX_COMMANDS}, not {shown(size)}")


def cut(commands: Iterable[EncodedCommand], size: int = MAX_COMMANDS) -> Iterator[Chunk]:
    """Yield chunks of at most `size` commands and 4 MB, as soon as each is full, reading no further ahead."""
    waiting: list[EncodedCommand] = []
    room = empty = MAX_BODY_BYTES - ENVELOPE_BYTES
    for command in commands:
        if waiting and (command.obstacle or command.size > room):
            yield Chunk(tuple(waiting))
            waiting, room = [], empty
        waiting.append(command)
        room -= command.size
        if command.obstacle or len(waiting) == size:
            yield Chunk(tuple(waiting))
            waiting, room = [], empty
    if waiting:
        yield Chunk(tuple(waiting))


def single(commands: list[EncodedCommand]) -> Chunk:
    """Return the one chunk that `commands` make; raise `UsageError` when they make none, or more than one."""
    if not commands:
        raise UsageError("a batch without commands; batch_by_chunk takes an empty list")
    if len(commands) > MAX_COMMANDS:
        raise UsageError(f"a batch holds {MAX_COMMANDS} commands, not {len(commands)}; use batch_by_chunk")
    for command in commands:
        if command.obstacle:
            reason = f"cannot go in a batch: {command.obstacle}; batch_by_chunk sends it alone"
            raise UsageError(f"{command.label} {reason}")
    chunk, *more = cut(commands)
    if more:
        raise UsageError(f"the commands are more than {MAX_BODY_BYTES} bytes together; use batch_by_chunk")
    return chunk

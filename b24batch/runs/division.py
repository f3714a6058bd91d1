"""The division of a chunk's commands into requests: a command is sent alone if the value of a reference requires it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from b24batch.calls.chunks import Chunk
from b24batch.calls.encoded import EncodedCommand
from b24batch.results import AjaxResult
from b24batch.runs.chunk_run import ChunkRun
from b24batch.runs.substitution import Answered


def divide(chunk: ChunkRun, commands: Collection[EncodedCommand], answered: Answered, *, halt: bool) -> Iterator[Chunk]:
    """Yield the commands of each request, with the values of their references.

    The outcomes of a request must be recorded before the next one is asked for. A command that is not sent, because
    one it refers to has no value, gets its outcome in `chunk` and in `answered`.
    """
    if commands and not any(encoded.references for encoded in commands):
        yield Chunk(tuple(commands))
        return
    part: dict[str, EncodedCommand] = {}
    for encoded in commands:
        ready = answered.make_ready(encoded, part, halt=halt)
        if part and isinstance(ready, EncodedCommand) and ready.obstacle:
            yield Chunk(tuple(part.values()))
            part = {}
            ready = answered.make_ready(encoded, part, halt=halt)
        if isinstance(ready, AjaxResult):
            chunk.decide(encoded, ready)
            answered.note(encoded.name, ready)
            continue
        part[encoded.name] = ready
        if ready.obstacle:
            yield Chunk(tuple(part.values()))
            part = {}
    if part:
        yield Chunk(tuple(part.values()))

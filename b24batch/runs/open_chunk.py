"""The state of a chunk of a concurrent run: its next step, and which earlier chunks it must follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from b24batch.calls.chunks import Chunk
from b24batch.clock import Wait
from b24batch.results import AjaxResult
from b24batch.runs.chunk_run import ChunkRun
from b24batch.runs.substitution import find_targets

#: Before any time that a clock returns.
PAST = float("-inf")


@attrs.define(eq=False)
class OpenChunk:
    """A chunk that was read and whose outcomes were not returned yet.

    Attributes:
        chunk: The chunk.
        steps: Its requests and waits.
        step: The step that comes next, or the request that is on its way; None if it is not known yet.
        until: The end of its wait, by the clock.
        rows: The outcomes, once there are no more steps.
        has_begun: Whether it may be sent, since no earlier chunk is needed for it any more.
        names: The names of its commands.
        targets: The names that its references lead to.
    """

    chunk: ChunkRun
    steps: Iterator[Chunk | Wait]
    step: Chunk | Wait | None = attrs.field(default=None, init=False)
    until: float = attrs.field(default=PAST, init=False)
    rows: list[AjaxResult] | None = attrs.field(default=None, init=False)
    has_begun: bool = attrs.field(default=False, init=False)
    names: set[str] = attrs.field(init=False)
    targets: set[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.names = {encoded.name for encoded in self.chunk.commands}
        self.targets = find_targets(self.chunk.commands)

    def may_begin(self, earlier: Iterable[OpenChunk]) -> bool:
        """Return whether the chunk has begun, or needs nothing that these earlier chunks return."""
        self.has_begun = self.has_begun or not any(map(self._must_follow, earlier))
        return self.has_begun

    def _must_follow(self, earlier: OpenChunk) -> bool:
        """Return whether this chunk needs what `earlier` returns, or uses a name again that matters there."""
        pairs = (self.names, earlier.names), (self.names, earlier.targets), (self.targets, earlier.names)
        return not all(some.isdisjoint(others) for some, others in pairs)

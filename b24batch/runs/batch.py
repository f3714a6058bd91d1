"""Runs from their first chunk to their last, all at once or as a stream, and what is known of one at any moment."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from copy import copy
from itertools import accumulate
from typing import TypeAlias

import attrs

from b24batch.calls.chunks import Chunk, refuse_duplicates
from b24batch.results import AjaxResult, AnyResult, collect
from b24batch.runs.run import Run, outcomes
from b24batch.runs.streams import Stream

#: What outcomes pass through on their way, chunk by chunk.
Passing: TypeAlias = Callable[[Iterable[list[AjaxResult]]], Iterable[list[AjaxResult]]]


@attrs.define(eq=False)
class WholeRun:
    """A run whose chunks are all there before the first one is sent.

    Attributes:
        run: What sends them.
        chunks: All of them.
        rows: The outcomes that have come back, in order.
    """

    run: Run
    chunks: list[Chunk]
    rows: list[AjaxResult] = attrs.field(factory=list, init=False)

    def result(self, over: Passing) -> AnyResult:
        """Send all commands and return their outcomes, which pass through `over` as they come."""
        references = (
            reference for chunk in self.chunks for encoded in chunk.commands for reference in encoded.references
        )
        self.run.answered.wanted = {str(reference.target) for reference in references}
        for delivered in over(map(self.run.deliver, self.chunks)):
            self.rows.extend(delivered)
        return collect(self.rows)

    def known(self) -> AnyResult:
        """Return what is known of all commands at this moment."""
        rows = self.rows.copy()
        for chunk in _from_row(self.chunks, len(rows)):
            rows.extend(self.run.known(chunk) if chunk is self.run.chunk else outcomes(chunk, "skipped"))
        return collect(rows)


def _from_row(chunks: list[Chunk], row: int) -> list[Chunk]:
    ends = accumulate(len(chunk.commands) for chunk in chunks)
    return [chunk for chunk, end in zip(chunks, ends, strict=True) if end > row]


def stream(run: Run, chunks: Iterable[Chunk]) -> Stream[AjaxResult, AnyResult]:
    """Return a stream of the outcome of each command as its chunk is answered.

    Whatever stops the run half-way, Ctrl-C for one, has the `Stream.result` as its own.
    """
    streaming = _Streaming(run, chunks)
    return Stream(streaming.rows(), streaming.known)


@attrs.define(eq=False)
class _Streaming:
    """A run on its way chunk by chunk.

    Attributes:
        chunk: The one in hand; None before the first.
        hand: Those of its outcomes that were not yielded; None while it is being sent.
    """

    run: Run
    chunks: Iterable[Chunk]
    chunk: Chunk | None = attrs.field(default=None, init=False)
    hand: Iterator[AjaxResult] | None = attrs.field(factory=lambda: iter(()), init=False)

    def rows(self) -> Generator[AjaxResult, None, None]:
        try:
            for chunk in self.chunks:
                refuse_duplicates(chunk.commands)
                self.chunk, self.hand = chunk, None
                self.hand = iter(self.run.deliver(chunk))
                yield from self.hand
        except BaseException as interrupt:
            vars(interrupt)["result"] = self.known()
            raise

    def known(self) -> AnyResult:
        """Return the outcomes of the chunk in hand that were not yielded."""
        if self.hand is not None:
            return collect(list(copy(self.hand)))
        return collect(self.run.known(self.chunk) if self.chunk and self.chunk is self.run.chunk else [])

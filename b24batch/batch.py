"""Runs from their first chunk to their last: as a stream, or all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TypeAlias

from b24batch.chunks import Chunk, refuse_duplicates
from b24batch.results import AjaxResult, collect
from b24batch.run import Run, outcomes


def stream(run: Run, chunks: Iterable[Chunk]) -> Iterator[AjaxResult]:
    """Yield the outcome of each command as its chunk is answered.

    Raises:
        BaseException: Whatever stops the run half-way, Ctrl-C for one, or is thrown in; its `result` holds the
            outcomes of the chunk in hand that were not yielded.
    """
    chunk, count = None, 0
    try:
        for chunk in chunks:
            refuse_duplicates(chunk.commands)
            count = 0
            for row in run.deliver(chunk):
                count += 1
                yield row
    except BaseException as interrupt:
        rows = run.known(chunk) if chunk and chunk is run.chunk else []
        vars(interrupt)["result"] = collect(rows[count:])
        raise


#: What outcomes pass through on their way, chunk by chunk.
Passing: TypeAlias = Callable[[Iterable[list[AjaxResult]]], Iterable[list[AjaxResult]]]


def run_all(run: Run, chunks: list[Chunk], over: Passing) -> list[AjaxResult]:
    """Return the outcomes of all commands, which pass through `over` as they come.

    Raises:
        BaseException: Whatever stops the run half-way, Ctrl-C for one; its `result` holds what is known.
    """
    rows: list[AjaxResult] = []
    references = (reference for chunk in chunks for encoded in chunk.commands for reference in encoded.references)
    run.answered.wanted = {str(reference.target) for reference in references}
    try:
        for delivered in over(map(run.deliver, chunks)):
            rows.extend(delivered)
    except BaseException as interrupt:
        for chunk in _from_row(chunks, len(rows)):
            rows.extend(run.known(chunk) if chunk is run.chunk else outcomes(chunk, "skipped"))
        vars(interrupt)["result"] = collect(rows)
        raise
    return rows


def _from_row(chunks: list[Chunk], row: int) -> list[Chunk]:
    ends = accumulate(len(chunk.commands) for chunk in chunks)
    return [chunk for chunk, end in zip(chunks, ends, strict=True) if end > row]

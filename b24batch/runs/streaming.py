"""The outcomes of a run as they arrive: how a run is stopped, and a stream of its outcomes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from copy import copy
from itertools import chain

import attrs

from b24batch.calls.chunks import Chunk, refuse_duplicates
from b24batch.redaction import put_aside
from b24batch.results import AjaxResult, AnyResult, Result
from b24batch.results.last_result import LastResult
from b24batch.runs.chunk_run import ChunkRun
from b24batch.runs.run import Run
from b24batch.streams import Stream


def end(
    run: Run,
    interrupt: BaseException,
    chunks: Iterable[ChunkRun],
    known: Callable[[], AnyResult],
    last: LastResult,
) -> None:
    """Stop a run because of `interrupt`; it gets the outcomes that are `known` then, and `last` keeps them.

    Args:
        run: The run.
        interrupt: The exception that stops it.
        chunks: Its chunks that may not be in the statistics yet.
        known: Returns the outcomes to give.
        last: Keeps them.
    """
    try:
        _stop(run, chunks)
    except BaseException as later:  # such as a second Ctrl-C: no more waiting
        last.give(later, known())
        raise
    last.give(interrupt, known())


def _stop(run: Run, chunks: Iterable[ChunkRun]) -> None:
    try:
        run.stop()
    finally:
        try:
            run.close_journal()
        finally:
            for chunk in chunks:
                run.count(chunk)


def collect_known(chunks: Iterable[ChunkRun]) -> AnyResult:
    """Return the outcome of each command of these chunks so far."""
    return Result([row for chunk in chunks for row in chunk.list_known()], named=False)


def stream(run: Run, chunks: Iterable[Chunk], last: LastResult) -> Stream[AjaxResult, AnyResult]:
    """Return a stream that yields the outcome of each command once its chunk is answered.

    Any exception that stops the run, such as Ctrl-C, has `Stream.result` as its `result`, and `last` keeps it.
    """
    streaming = _Streaming(run, chunks, last)
    return Stream(streaming.rows(), streaming.known, run.wind_down, stopped=streaming.stopped)


@attrs.define(eq=False)
class _Streaming:
    """A run whose outcomes are yielded chunk by chunk.

    Attributes:
        run: Sends the chunks.
        chunks: The chunks.
        last: Keeps the outcomes that were not yielded when an exception stopped the run.
        state: The outcomes in hand that were not yielded yet, and the chunks that follow them, as far as they were
            read. It is replaced in a single step, so that an exception at any moment finds both.
        stopped: The exception that stopped the run, for the `Stream` to raise.
    """

    run: Run
    chunks: Iterable[Chunk]
    last: LastResult
    state: tuple[Iterator[AjaxResult], list[ChunkRun]] = attrs.field(factory=lambda: (iter(()), []), init=False)
    stopped: list[BaseException | None] = attrs.field(factory=lambda: [None], init=False)

    def rows(self) -> Generator[AjaxResult, None, None]:
        """Yield the outcomes of all requests, in order."""
        try:
            self.run.open_journal(())
            for rows in self.run.deliver_all(self._read()):
                self.state = iter(rows), self.state[1][1:]
                yield from self.state[0]
            self.run.close_journal()
        except BaseException as interrupt:
            is_closed = isinstance(interrupt, GeneratorExit)  # perhaps much later, by the garbage collection
            last = LastResult() if is_closed else self.last
            end(self.run, interrupt, self.state[1], self.known, last)
            if not put_aside(interrupt, self.stopped):
                raise

    def known(self) -> AnyResult:
        """Return the outcomes that were not yielded yet, of all chunks that were read."""
        self.run.catch_up()
        hand, following = self.state
        return Result([*copy(hand), *chain.from_iterable(chunk.list_known() for chunk in following)], named=False)

    def _read(self) -> Iterator[ChunkRun]:
        for chunk in self.chunks:
            refuse_duplicates(chunk.commands)
            hand, following = self.state
            read = ChunkRun(chunk.commands)
            self.run.restore(read)
            self.state = hand, [*following, read]
            yield read

"""Concurrent runs: several requests of a run on their way at once, with the outcomes in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial

import attrs

from b24batch.calls.chunks import Chunk
from b24batch.clock import Clock, Wait
from b24batch.errors import JournalError, SdkError, UsageError
from b24batch.results import AjaxResult
from b24batch.runs.chunk_run import ChunkRun
from b24batch.runs.gate import Stopped
from b24batch.runs.lanes import Lanes, Sending
from b24batch.runs.open_chunk import PAST, OpenChunk
from b24batch.runs.run import Run


@attrs.define(eq=False)
class ConcurrentRun(Run):
    """A run with several requests on their way at once. Everything but sending happens on the caller's thread.

    Attributes:
        lanes: Send the requests.
        bounded: Whether no more chunks are read than there are lanes until the outcomes of the first are returned.
    """

    lanes: Lanes
    bounded: bool
    _open: deque[OpenChunk] = attrs.field(factory=deque, init=False)
    _on_way: dict[Sending, OpenChunk] = attrs.field(factory=dict, init=False)
    _busy_until: dict[str, float] = attrs.field(factory=dict, init=False)
    _failure: Exception | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.answered.memory *= 1 + 2 * self.lanes.most  # outcomes before and after a chunk that had to wait

    def deliver_all(self, chunks: Iterable[ChunkRun]) -> Iterator[list[AjaxResult]]:
        """Send the chunks and yield the outcomes of each, in order. If the loop ends early, call `stop`."""
        source = iter(chunks)
        while self._read(source):
            self._begin_all()
            if self._open[0].rows is not None:
                yield self._open.popleft().rows or []
            elif self._on_way:
                self._settle(self.lanes.finish_next(self._next_turn()))
            elif not self.ended:
                self._clock.sleep(max(0.0, self._next_turn() - self._clock.monotonic()))
        self.lanes.join()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Send nothing more, wait up to 5 seconds for the requests that were sent, and record what became of all."""
        try:
            self.lanes.stop(list(self._on_way))
        finally:  # also if a second Ctrl-C ends the wait
            for sending in list(self._on_way):
                with suppress(Exception):  # of the journal: the outcome is known all the same
                    self._record(sending)
            self._on_way.clear()

    def catch_up(self) -> None:
        """Record the answers that have arrived."""
        for sending in list(self._on_way):
            if sending.is_done and isinstance(sending.error, SdkError | None):
                with suppress(JournalError):  # which ends the run when this request's turn comes
                    self._record(sending)

    def _read(self, source: Iterator[ChunkRun]) -> bool:
        """Read chunks as far ahead as needed, and begin each before the next is read; return whether any is open."""
        while sum(self.bounded or opened.rows is None for opened in self._open) < self.lanes.most:
            chunk = self._read_next(source)
            if chunk is None:
                break
            self._open.append(OpenChunk(chunk, self.steps(chunk)))
            self._begin_all()
        return bool(self._open)

    def _read_next(self, source: Iterator[ChunkRun]) -> ChunkRun | None:
        """Return the next chunk; None after the last, or after the caller's calls have raised an exception."""
        try:
            return None if self._failure else next(source, None)
        except Exception as error:  # the chunks before it keep their outcomes
            self._failure = error
        # It may be a soft time limit, which leaves no time to begin more.
        self.ended = self.ended or not isinstance(self._failure, UsageError)
        return None

    def _begin_all(self) -> None:
        """Begin, in order, whatever may begin now."""
        pending = [opened for opened in self._open if opened.rows is None]
        for place, opened in enumerate(pending):
            if self.ended or opened.may_begin(pending[:place]):
                self._begin(opened)

    def _begin(self, opened: OpenChunk) -> None:
        """Take the next steps of a chunk, up to a request or a wait that is not over."""
        now = self._clock.monotonic()
        while opened not in self._on_way.values() and opened.rows is None and (opened.until <= now or self.ended):
            step = opened.step if isinstance(opened.step, Chunk) and not self.ended else next(opened.steps, None)
            opened.step = step
            if step is None:
                self._close(opened)
            elif isinstance(step, Wait):
                self._hold(opened, step)
            elif (busy := self._find_free_time(step)) > now:
                opened.until = busy
            else:
                self._send(opened, step)

    def _close(self, opened: OpenChunk) -> None:
        opened.rows = self.close(opened.chunk)
        self._drop_waiting()

    def _hold(self, opened: OpenChunk, wait: Wait) -> None:
        """Begin a wait for operating time: none of the blocked methods is called until it is over."""
        opened.until = self._clock.monotonic() + wait.seconds
        self._busy_until |= dict.fromkeys(opened.chunk.list_blocked_methods(), opened.until)
        self.requests.announce(attrs.evolve(wait, request_id=opened.chunk.request_id))

    def _find_free_time(self, request: Chunk) -> float:
        """Return when all methods of a request may be called again."""
        return max(self._busy_until.get(encoded.command.method, PAST) for encoded in request.commands)

    def _send(self, opened: OpenChunk, request: Chunk) -> None:
        request_id = self.requests.take_id()
        send = partial(self.requests.send, request, halt=self.halt_on_error, repeatable=self.may_repeat(request))
        gate = partial(self.make_gate, opened.chunk, request)
        self.lanes.reserve(len(self._on_way))
        opened.chunk.leave(request, request_id)
        sending = self.lanes.start(lambda lane: send(request_id=request_id, claim=gate(lane)))
        self._on_way[sending] = opened

    def _settle(self, sending: Sending | None) -> None:
        """Record what became of a request that has finished."""
        if sending is None or sending not in self._on_way:
            return
        self._record(sending)
        if isinstance(sending.error, JournalError) or not isinstance(sending.error, SdkError | Stopped | None):
            raise sending.error

    def _record(self, sending: Sending) -> None:
        """Record what became of a request that has finished, or that is given up."""
        opened = self._on_way[sending]
        if isinstance(opened.step, Chunk):
            self._record_part(sending, opened, opened.step)
        opened.step = None
        del self._on_way[sending]

    def _record_part(self, sending: Sending, opened: OpenChunk, request: Chunk) -> None:
        if isinstance(sending.error, SdkError) and not isinstance(sending.error, JournalError):
            self.fail(opened.chunk, request, sending.error)
        elif sending.is_done and sending.error is None:
            self.take(opened.chunk, request, sending.rows)
        elif not sending.is_sent:
            opened.chunk.take_back()

    def _drop_waiting(self) -> None:
        """Give up the requests that were not sent yet if an outcome has ended the run."""
        if not self.ended or not isinstance(self._failure, UsageError | None):
            return
        self.lanes.close()
        for sending in [sending for sending in self._on_way if not sending.is_begun]:
            self._record(sending)

    def _next_turn(self) -> float:
        """Return when the first chunk that waits for operating time may go on; infinity if none waits."""
        on_way = self._on_way.values()
        waiting = (opened for opened in self._open if opened.step is not None and opened not in on_way)
        return min((opened.until for opened in waiting), default=float("inf"))

    @property
    def _clock(self) -> Clock:
        return self.requests.clock

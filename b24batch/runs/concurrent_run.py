"""Concurrent runs: several requests of a run on their way at once, with the outcomes in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice

import attrs

from b24batch.calls.chunks import Chunk
from b24batch.clock import Clock, Wait
from b24batch.errors import JournalError, SdkError
from b24batch.results import AjaxResult
from b24batch.runs.chunk_run import ChunkRun, Part
from b24batch.runs.gate import Stopped
from b24batch.runs.lanes import Lanes, Sending
from b24batch.runs.run import Run
from b24batch.runs.substitution import targets_of


@attrs.define(eq=False)
class _Open:
    """A chunk that was read and whose outcomes were not returned yet.

    Attributes:
        chunk: The chunk.
        steps: Its requests and waits.
        step: The step that comes next, or the request that is on its way; None if it is not known yet.
        before: The outcomes before the request that is on its way.
        until: The end of its wait, by the clock.
        rows: The outcomes, once there are no more steps.
        names: The names of its commands.
        targets: The names that its references lead to.
    """

    chunk: ChunkRun
    steps: Iterator[Part | Wait]
    step: Part | Wait | None = attrs.field(default=None, init=False)
    before: dict[str, AjaxResult | None] = attrs.field(factory=dict, init=False)
    until: float = attrs.field(default=float("-inf"), init=False)
    rows: list[AjaxResult] | None = attrs.field(default=None, init=False)
    names: set[str] = attrs.field(init=False)
    targets: set[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.names = {encoded.name for encoded in self.chunk.commands}
        self.targets = targets_of(self.chunk.commands)

    def must_follow(self, earlier: _Open) -> bool:
        """Return whether this chunk needs what `earlier` returns, or uses a name again that matters there."""
        pairs = (self.names, earlier.names), (self.names, earlier.targets), (self.targets, earlier.names)
        return not all(some.isdisjoint(others) for some, others in pairs)


@attrs.define(eq=False)
class ConcurrentRun:
    """A run with several requests on their way at once. Everything but sending happens on the caller's thread.

    Attributes:
        run: Decides what is sent, and what an answer means.
        lanes: Send the requests.
        bounded: Whether no more chunks are read than there are lanes until the outcomes of the first are returned.
    """

    run: Run
    lanes: Lanes
    bounded: bool = attrs.field(kw_only=True)
    _open: deque[_Open] = attrs.field(factory=deque, init=False)
    _on_way: dict[Sending, _Open] = attrs.field(factory=dict, init=False)
    _busy_until: dict[str, float] = attrs.field(factory=dict, init=False)
    _failure: Exception | None = attrs.field(default=None, init=False)

    def deliver_all(self, chunks: Iterable[ChunkRun]) -> Iterator[list[AjaxResult]]:
        """Send the chunks and yield the outcomes of each, in order. If the loop ends early, call `stop`."""
        source = iter(chunks)
        while self._read(source):
            self._begin_all()
            if self._open[0].rows is not None:
                yield self._open.popleft().rows or []
            elif self._on_way:
                self._settle(self.lanes.finish_next())
            else:
                self._sleep()
        self.lanes.close()
        if self._failure is not None:
            raise self._failure

    def begin(self, chunks: Iterable[ChunkRun]) -> None:
        """Take the journal, if there is one, and give these chunks the outcomes of earlier lives."""
        self.run.begin(chunks)

    def tell(self, chunk: ChunkRun) -> None:
        """Give a chunk the outcomes that earlier lives of the run left in the journal."""
        self.run.tell(chunk)

    def end(self) -> None:
        """Give the journal back."""
        self.run.end()

    def stop(self) -> None:
        """Send nothing more, wait up to 5 seconds for the requests that were sent, and record what became of all."""
        self.run.ended = True
        self.lanes.stop(list(self._on_way))
        for sending, opened in list(self._on_way.items()):
            if sending.is_done:
                with suppress(JournalError):  # the outcome is known all the same
                    self._settle(sending)
            elif not sending.is_sent:
                opened.chunk.rows = opened.before
        self._on_way.clear()

    def _read(self, source: Iterator[ChunkRun]) -> bool:
        """Read chunks as far ahead as needed; return whether any is open."""
        wanted = self.lanes.most - sum(self.bounded or opened.rows is None for opened in self._open)
        try:
            for chunk in islice(source, 0 if self._failure else wanted):
                self._open.append(_Open(chunk, self.run.steps(chunk)))
        except Exception as error:  # from the caller's calls: the chunks before it keep their outcomes
            self._failure = error
        return bool(self._open)

    def _begin_all(self) -> None:
        """Begin, in order, whatever may begin now."""
        pending = [opened for opened in self._open if opened.rows is None]
        on_way = set(self._on_way.values())
        for place, opened in enumerate(pending):
            if opened in on_way or (not self.run.ended and any(map(opened.must_follow, pending[:place]))):
                continue
            self._begin(opened)

    def _begin(self, opened: _Open) -> None:
        """Take the next steps of a chunk, up to a request or a wait that is not over."""
        now = self._clock.monotonic()
        while opened.rows is None and (opened.until <= now or self.run.ended):
            step = opened.step if isinstance(opened.step, dict) and not self.run.ended else next(opened.steps, None)
            opened.step = step
            if step is None:
                opened.rows = self.run.close(opened.chunk)
            elif isinstance(step, Wait):
                self._hold(opened, step)
            elif (busy := self._busy(step)) > now:
                opened.until = busy
            else:
                self._send(opened, step)
                return

    def _hold(self, opened: _Open, wait: Wait) -> None:
        """Begin a wait for operating time: none of the blocked methods is called until it is over."""
        opened.until = self._clock.monotonic() + wait.seconds
        self._busy_until |= dict.fromkeys(opened.chunk.blocked_methods(), opened.until)
        self.run.requests.announce(wait)

    def _busy(self, part: Part) -> float:
        """Return when all methods of a request may be called again."""
        return max(self._busy_until.get(encoded.command.method, 0.0) for encoded in part.values())

    def _send(self, opened: _Open, part: Part) -> None:
        run, request = self.run, Chunk(tuple(part.values()))
        request_id = run.requests.take_id()
        send = partial(run.requests.send, request, halt=run.halt_on_error, repeatable=run.may_repeat(part))
        gate = partial(run.gate_of, opened.chunk, part)
        opened.before = opened.chunk.rows
        opened.chunk.leave(part, request_id)
        sending = self.lanes.start(lambda lane: send(request_id=request_id, claim=gate(lane)), len(self._on_way))
        self._on_way[sending] = opened

    def _settle(self, sending: Sending) -> None:
        """Record what became of a request."""
        opened = self._on_way.get(sending)
        if opened is None or not isinstance(opened.step, dict):
            return
        error, part = sending.error, opened.step
        if error is None:
            self.run.take(opened.chunk, part, Chunk(tuple(part.values())), sending.rows)
        elif isinstance(error, SdkError) and not isinstance(error, JournalError):
            self.run.fail(opened.chunk, part, error)
        elif not sending.is_sent:
            opened.chunk.rows = opened.before
        opened.step = None
        del self._on_way[sending]
        if isinstance(error, JournalError) or not isinstance(error, SdkError | Stopped | None):
            raise error
        if self.run.ended:
            self._drop_waiting()

    def _drop_waiting(self) -> None:
        """Give up the requests that were not sent yet: the run has ended."""
        self.lanes.close()
        for sending, opened in list(self._on_way.items()):
            if not sending.is_begun:
                opened.chunk.rows, opened.step = opened.before, None
                del self._on_way[sending]

    def _sleep(self) -> None:
        """Sleep until the first chunk that waits for operating time may go on."""
        until = min(opened.until for opened in self._open if opened.rows is None and opened.step is not None)
        self._clock.sleep(max(0.0, until - self._clock.monotonic()))

    @property
    def _clock(self) -> Clock:
        return self.run.requests.clock

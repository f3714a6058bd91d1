"""Runs: sends chunks one after the other, and decides what a failed request means for the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from copy import copy

import attrs

from b24batch.calls.chunks import Chunk, refuse_duplicates
from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.errors import AuthError, NotSent, PortalMoved, SdkError, TokenRefreshError
from b24batch.results import AjaxResult, AnyResult, collect
from b24batch.runs.chunk_run import ChunkRun, Part, is_blocked, repeat_error
from b24batch.runs.requests import Requests
from b24batch.runs.substitution import Answered, fail_misread, mark_missed
from b24batch.streams import Stream

#: After one of these errors no later request of the run can succeed.
_HOPELESS = (AuthError, TokenRefreshError, PortalMoved)
#: The run ends after this many requests in a row that could not be sent.
_NOT_SENT_IN_A_ROW = 2


@attrs.define(eq=False)
class Run:
    """A run of chunks on one portal.

    Attributes:
        requests: Sends the requests.
        repeatable: Tells whether a command may safely run twice.
        halt_on_error: Whether the portal skips the rest of a chunk after an error in it.
        stop_on_error: Whether the run ends after a chunk with a ``failed`` or ``unknown`` command.
        ended: Whether the run has ended; later commands are skipped.
        answered: The outcomes that later references may lead to.
    """

    requests: Requests
    repeatable: Callable[[Command], bool]
    halt_on_error: bool = attrs.field(default=True, kw_only=True)
    stop_on_error: bool = attrs.field(default=False, kw_only=True)
    ended: bool = attrs.field(default=False, init=False)
    answered: Answered = attrs.field(factory=Answered, init=False)
    _not_sent: int = attrs.field(default=0, init=False)

    def deliver(self, chunk: ChunkRun) -> list[AjaxResult]:
        """Send `chunk` and return its outcomes, also if a request fails or the run has ended."""
        for part in self._parts(chunk):
            if self.ended or not part:
                continue
            request, before = Chunk(tuple(part.values())), chunk.rows
            repeatable = all(self.repeatable(encoded.command) for encoded in request.commands)
            try:
                chunk.leave(part, self.requests.next_id)
                rows = self.requests.send(request, halt=self.halt_on_error, repeatable=repeatable)
                self._note(chunk, part, fail_misread(request, mark_missed(request, rows)))
                self._not_sent = 0
            except SdkError as error:
                self._fail(chunk, part, error)
            except BaseException as interrupt:
                if not vars(interrupt).get("request_sent", True):
                    chunk.rows = before
                raise
        rows = chunk.known()
        self.ended = self.ended or (self.stop_on_error and not all(row.is_success for row in rows))
        self.answered.note_all(chunk.commands, rows)
        self.answered.forget(encoded.name for encoded in chunk.commands)
        return rows

    def _parts(self, chunk: ChunkRun) -> Iterator[Part]:
        """Yield the commands of each request, until all ran or a wait for operating time would be too long."""
        if not self.ended:
            yield from self._divide(chunk, chunk.commands)
        while chunk.blocked and not self.ended and self.requests.wait(chunk.blocked_methods(), chunk.waited):
            commands = chunk.blocked_commands()
            yield from self._divide(chunk, commands)
            if len(chunk.blocked) < len(commands):
                chunk.waited.seconds = 0.0

    def _divide(self, chunk: ChunkRun, commands: Collection[EncodedCommand]) -> Iterator[Part]:
        """Yield all commands as one request, unless the value of a reference requires a command to be sent alone."""
        if not any(encoded.references for encoded in commands):
            yield {encoded.name: encoded for encoded in commands}
            return
        part: Part = {}
        for encoded in commands:
            ready = self.answered.ready(encoded, part, halt=self.halt_on_error)
            if part and isinstance(ready, EncodedCommand) and ready.obstacle:
                yield part
                part = {}
                ready = self.answered.ready(encoded, part, halt=self.halt_on_error)
            if isinstance(ready, AjaxResult):
                chunk.decide(encoded, ready)
                self.answered.note(encoded.name, ready)
                continue
            part[encoded.name] = ready
            if ready.obstacle:
                yield part
                part = {}
        yield part

    def _note(self, chunk: ChunkRun, part: Part, rows: list[AjaxResult]) -> None:
        """Record the outcomes of one request."""
        chunk.note(part, rows)
        self.answered.note_all(part.values(), rows)
        if self.stop_on_error and not any(map(is_blocked, rows)) and not all(row.is_success for row in rows):
            self.ended = True

    def _fail(self, chunk: ChunkRun, part: Part, error: SdkError) -> None:
        """Record the error of a request for each of its commands."""
        self._note(chunk, part, repeat_error(error, part.values()))
        self._not_sent = self._not_sent + 1 if isinstance(error, NotSent) else 0
        if isinstance(error, _HOPELESS) or self._not_sent == _NOT_SENT_IN_A_ROW:
            self.ended = True


def stream(run: Run, chunks: Iterable[Chunk]) -> Stream[AjaxResult, AnyResult]:
    """Return a stream that yields the outcome of each command once its chunk is answered.

    Any exception that stops the run, such as Ctrl-C, has `Stream.result` as its `result`.
    """
    streaming = _Streaming(run, chunks)
    return Stream(streaming.rows(), streaming.known)


@attrs.define(eq=False)
class _Streaming:
    """A run that is sent chunk by chunk.

    Attributes:
        chunk: The current chunk; None before the first.
        hand: Its outcomes that were not yielded yet; None while it is being sent.
    """

    run: Run
    chunks: Iterable[Chunk]
    chunk: ChunkRun | None = attrs.field(default=None, init=False)
    hand: Iterator[AjaxResult] | None = attrs.field(factory=lambda: iter(()), init=False)

    def rows(self) -> Generator[AjaxResult, None, None]:
        try:
            for chunk in self.chunks:
                refuse_duplicates(chunk.commands)
                self.chunk, self.hand = ChunkRun(chunk.commands), None
                self.hand = iter(self.run.deliver(self.chunk))
                yield from self.hand
        except BaseException as interrupt:
            vars(interrupt)["result"] = self.known()
            raise

    def known(self) -> AnyResult:
        """Return the outcomes of the current chunk that were not yielded yet."""
        if self.hand is not None:
            return collect(list(copy(self.hand)))
        return collect(self.chunk.known() if self.chunk else [])

"""Runs: sends chunks one after the other, and decides what a failed request means for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from b24batch.calls.chunks import Chunk
from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.clock import Wait
from b24batch.errors import AuthError, JournalError, NotSent, PortalMoved, SdkError, TokenRefreshError
from b24batch.results import AjaxResult
from b24batch.runs.chunk_run import ChunkRun, is_blocked, repeat_error
from b24batch.runs.division import divide
from b24batch.runs.gate import Gate, Stopped
from b24batch.runs.requests import Requests
from b24batch.runs.substitution import Answered, fail_misread, mark_missed
from b24batch.wire.claim import Claim
from b24batch.wire.reports import HookFailed

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
    halt_on_error: bool
    stop_on_error: bool
    ended: bool = attrs.field(default=False, init=False)
    answered: Answered = attrs.field(factory=Answered, init=False)
    _not_sent: int = attrs.field(default=0, init=False)
    _has_begun: bool = attrs.field(default=False, init=False)

    def deliver(self, chunk: ChunkRun) -> list[AjaxResult]:
        """Send `chunk` and return its outcomes, also if a request fails or the run has ended."""
        for step in self.steps(chunk):
            if isinstance(step, Wait):
                self.requests.pause(step)
                continue
            halt, repeatable, request_id = self.halt_on_error, self.may_repeat(step), self.requests.take_id()
            try:
                chunk.leave(step, request_id)
                claim = self.make_gate(chunk, step)
                rows = self.requests.send(step, halt=halt, repeatable=repeatable, request_id=request_id, claim=claim)
            except JournalError:
                chunk.take_back()
                raise
            except SdkError as error:
                self.fail(chunk, step, error)
            except BaseException as interrupt:
                if not vars(interrupt).get("request_sent", True):
                    chunk.take_back()
                if not isinstance(interrupt, Stopped | HookFailed):
                    raise
                self.ended = True
            else:
                self.take(chunk, step, rows)
        self.requests.reports.check()
        return self.close(chunk)

    def deliver_all(self, chunks: Iterable[ChunkRun]) -> Iterator[list[AjaxResult]]:
        """Return an iterator that sends one chunk after the other and yields the outcomes of each."""
        return map(self.deliver, chunks)

    def open_journal(self, chunks: Iterable[ChunkRun]) -> None:
        """Take the journal, if there is one, and give these chunks the outcomes of earlier lives."""
        journal, auth = self.requests.journal, self.requests.transport.auth
        if journal is None:
            return
        journal.begin(getattr(auth, "member_id", auth.host), self.repeatable)
        self._has_begun = True
        try:
            for chunk in chunks:
                self.restore(chunk)
        except BaseException:
            self.close_journal()
            raise

    def close_journal(self) -> None:
        """Give the journal back."""
        if self._has_begun and self.requests.journal is not None:
            self._has_begun = False
            self.requests.journal.end()

    def restore(self, chunk: ChunkRun) -> None:
        """Give a chunk the outcomes that earlier lives of the run left in the journal."""
        if self.requests.journal is not None:
            chunk.restore(self.requests.journal.fates(chunk.commands))
            for encoded in chunk.commands:
                if row := chunk.rows.get(encoded.name):
                    self.answered.note(encoded.name, row)

    def wind_down(self) -> None:
        """Begin no further request. A signal handler may call it."""
        self.requests.ends, self.ended = -float("inf"), True

    def stop(self) -> None:
        """Send nothing more, and record what became of the requests on their way: here there are none."""

    def catch_up(self) -> None:
        """Record the answers that have arrived: here none is ever waiting."""

    def steps(self, chunk: ChunkRun) -> Iterator[Chunk | Wait]:
        """Yield each request, and the waits for operating time between them.

        The outcomes of a request must be recorded before the next step is asked for. There are no more steps once all
        commands ran, a wait would be too long, or the run has ended.
        """
        if not self.ended:
            yield from self._divide(chunk, chunk.list_unsent())
        while chunk.blocked and not self.ended:
            wait = self.requests.plan_wait(chunk.list_blocked_methods(), chunk.waited)
            if wait is None:
                return
            yield wait
            commands = chunk.list_blocked_commands()
            yield from self._divide(chunk, commands)
            if len(chunk.blocked) < len(commands):
                chunk.waited.seconds = 0.0

    def _divide(self, chunk: ChunkRun, commands: list[EncodedCommand]) -> Iterator[Chunk]:
        """Yield the requests that send these commands, as long as one may begin."""
        for request in divide(chunk, commands, self.answered, halt=self.halt_on_error):
            self.ended = self.ended or self.requests.is_over()
            if not self.ended:
                yield request

    def make_gate(self, chunk: ChunkRun, request: Chunk, lane: Claim | None = None) -> Claim | None:
        """Return the claim of the request that is about to be sent; None if nothing can keep it from being sent.

        Args:
            chunk: The chunk.
            request: The request.
            lane: The claim of its lane; None if it is sent on the caller's thread.
        """
        requests = self.requests
        if requests.journal is None and not requests.has_end:
            return lane
        return Gate(lane, requests.is_over, requests.journal, chunk.request_id, chunk.find_originals(request))

    def may_repeat(self, request: Chunk) -> bool:
        """Return whether a request may safely run twice."""
        return all(self.repeatable(encoded.command) for encoded in request.commands)

    def take(self, chunk: ChunkRun, request: Chunk, rows: list[AjaxResult]) -> None:
        """Record the answer to one request."""
        self._note(chunk, request, fail_misread(request, mark_missed(request, rows)))
        self._not_sent = 0

    def fail(self, chunk: ChunkRun, request: Chunk, error: SdkError) -> None:
        """Record the error of a request for each of its commands."""
        self._note(chunk, request, repeat_error(error, request.commands))
        self._not_sent = self._not_sent + 1 if isinstance(error, NotSent) else 0
        if isinstance(error, _HOPELESS) or self._not_sent == _NOT_SENT_IN_A_ROW:
            self.ended = True

    def close(self, chunk: ChunkRun) -> list[AjaxResult]:
        """Return the outcomes of a chunk that has no more steps."""
        rows = chunk.list_known()
        if self.stop_on_error and not self.ended:
            self.ended = not all(row.is_success for row in chunk.omit_restored(rows))
        self.answered.note_all(chunk.commands, rows)
        self.answered.forget(encoded.name for encoded in chunk.commands)
        self.count(chunk)
        return rows

    def count(self, chunk: ChunkRun) -> None:
        """Add the outcomes of a chunk to the statistics, except those from an earlier life; a second call adds none."""
        if not chunk.is_counted:
            statuses = [row.status for row in chunk.omit_restored(chunk.list_known())]
            self.requests.transport.counts.count_commands(statuses, chunk)

    def _note(self, chunk: ChunkRun, request: Chunk, rows: list[AjaxResult]) -> None:
        chunk.note(request, rows)
        if self.requests.journal is not None:
            self.requests.journal.note(chunk.request_id, chunk.find_originals(request), rows)
        self.requests.reports.check()
        self.answered.note_all(request.commands, rows)
        if self.stop_on_error and not any(map(is_blocked, rows)) and not all(row.is_success for row in rows):
            self.ended = True

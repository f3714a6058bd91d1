"""Requests: sends each request of a run or a list, and reads its answer."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from b24batch.calls.chunks import Chunk
from b24batch.clock import Clock, Wait
from b24batch.errors import OperatingLimitExceeded, SdkError, UnexpectedAnswer
from b24batch.redaction import mask
from b24batch.results import AjaxResult
from b24batch.runs.operating import OperatingTime, Waited
from b24batch.runs.payload import dump, load
from b24batch.runs.run_journal import RunJournal
from b24batch.wire.answers import Answer
from b24batch.wire.claim import Claim
from b24batch.wire.extra import mask_value
from b24batch.wire.reports import Reports
from b24batch.wire.transport import Transport

_NEVER = float("inf")


@attrs.define(eq=False)
class Requests:
    """The requests of one run or list, numbered from 1.

    Attributes:
        transport: Sends a request to the portal.
        operating: The operating times of the methods.
        request_id: The id of the first request. The n-th request appends ``/n``.
        longest_wait: Maximum seconds to wait for operating time while none of the blocked commands run.
        is_final: Whether an answer is the outcome of its commands. A run may send a command again; it counts its
            commands and checks the reports itself.
        journal: Keeps the outcomes of the run; or None.
        ends: When the last request may begin, by the clock.
        reports: Told of each HTTP request.
    """

    transport: Transport
    operating: OperatingTime
    request_id: str
    longest_wait: float
    is_final: bool
    journal: RunJournal | None = None
    ends: float = _NEVER
    reports: Reports = attrs.field(init=False)
    _sent: int = attrs.field(default=0, init=False)

    @reports.default
    def _make_reports(self) -> Reports:
        return Reports(self.transport.settings.on_request)

    def send(
        self, chunk: Chunk, *, halt: bool, repeatable: bool, request_id: str | None = None, claim: Claim | None = None
    ) -> list[AjaxResult]:
        """Send one request and return the outcomes of its commands, in order. All requests are sent here.

        Args:
            chunk: The commands.
            halt: Whether the portal skips the rest of the commands after an error.
            repeatable: Whether the request may safely run twice.
            request_id: The request's id from `take_id`. Default: the next one.
            claim: Called around each attempt. Default None.

        Raises:
            SdkError: The request failed as a whole. See `Transport.call` for any other exception.
        """
        (method, params), size = dump(chunk, halt=halt), len(chunk.commands)
        wanted, answer = request_id or self.take_id(), None
        try:
            answer = self.transport.call(
                method,
                params,
                request_id=wanted,
                repeatable=repeatable,
                commands=size,
                claim=claim,
                reports=self.reports,
            )
            rows = load(chunk, answer, halt=halt)
        except BaseException as error:
            self._note_failure(error, size, answered=answer is not None)
            raise
        if self.is_final:
            self.transport.counts.count_commands([row.status for row in rows])
            self.reports.check()
        self._learn(method, answer, rows)
        return rows

    def plan_wait(self, methods: Iterable[str], waited: Waited) -> Wait | None:
        """Return the wait until these blocked methods may be called again; None if it would take too long.

        Args:
            methods: The methods that have used up their operating time.
            waited: The waits so far; this one is added.
        """
        seconds = self.operating.wait_for(methods)
        if waited.seconds + seconds > self.longest_wait or self.clock.monotonic() + seconds >= self.ends:
            return None
        waited.seconds += seconds
        waited.attempt += 1
        return Wait("operating", seconds, waited.attempt, self._make_id(self._sent))

    def wait(self, methods: Iterable[str], waited: Waited) -> bool:
        """Wait until these blocked methods may be called again; return False at once if that would take too long."""
        wait = self.plan_wait(methods, waited)
        if wait is not None:
            self.pause(wait)
        return wait is not None

    def pause(self, wait: Wait) -> None:
        """Wait for operating time."""
        self.announce(wait)
        self.clock.sleep(wait.seconds)

    def announce(self, wait: Wait) -> None:
        """Announce a wait for operating time that is about to begin."""
        if self.journal is not None:
            self.journal.hold(wait.seconds)
        self.transport.announce(wait)

    @property
    def has_end(self) -> bool:
        """Whether there is a time from which no request begins."""
        return self.ends != _NEVER

    def is_over(self) -> bool:
        """Return whether no further request may begin."""
        return self.has_end and self.clock.monotonic() >= self.ends

    def mask(self, error: SdkError) -> None:
        """Mask the session's secrets in an error that quotes an answer."""
        secrets = self.transport.auth.access().secrets
        error.description = mask(error.description, secrets)
        error.args = (error.description,)
        if isinstance(error, UnexpectedAnswer):
            error.data = mask_value(error.data, secrets)

    def take_id(self) -> str:
        """Return the ``X-Request-ID`` of the next request."""
        self._sent += 1
        return self._make_id(self._sent)

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self.operating.clock

    def _make_id(self, number: int) -> str:
        return self.request_id if number <= 1 else f"{self.request_id}/{number}"

    def _learn(self, method: str, answer: Answer, rows: list[AjaxResult]) -> None:
        """Record the operating times in an answer, and set `reset_at` of its errors."""
        last = {method: answer.envelope.get("time")} | {row.command.method: row.time for row in rows if row.time}
        for called, time_block in last.items():
            self.operating.note(called, time_block)
        for row in rows:
            if row.error is not None:
                self._note_reset(row.error)

    def _note_failure(self, error: BaseException, commands: int, *, answered: bool) -> None:
        if isinstance(error, SdkError):
            self._note_reset(error)
        if self.is_final:
            self.transport.counts.count_failure(error, commands, answered=answered)
            self.reports.check()

    def _note_reset(self, error: SdkError) -> None:
        if isinstance(error, OperatingLimitExceeded):
            error.reset_at = self.operating.reset_at(error.method)

"""A run of chunks: what each request's outcome means for its commands and for the chunks after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import attrs

from b24batch.aliases import WireParams
from b24batch.calls.chunks import Chunk
from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand
from b24batch.clock import Wait
from b24batch.errors import (
    AnswerLost,
    AuthError,
    NotSent,
    OperatingLimitExceeded,
    PortalMoved,
    SdkError,
    TokenRefreshError,
)
from b24batch.results import AjaxResult
from b24batch.runs.operating import OperatingTime
from b24batch.runs.payload import dump, load
from b24batch.runs.substitution import Answered, with_missed_references, without_misread
from b24batch.statuses import Status
from b24batch.wire.answers import Answer

#: After these no request of a run will pass.
_HOPELESS = (AuthError, TokenRefreshError, PortalMoved)
#: A portal that cannot be reached twice running is not asked a third time.
_NOT_SENT_IN_A_ROW = 2


class Call(Protocol):
    """The way to the portal, as `Transport.call` is one."""

    def __call__(self, method: str, params: WireParams, *, request_id: str, repeatable: bool, commands: int) -> Answer:
        """Return the answer to one request, or raise an `SdkError`."""


@attrs.define(eq=False)
class Run:
    """A sequence of chunks on their way to one portal.

    Attributes:
        call: The way to the portal.
        repeatable: Whether a command may run twice.
        request_id: Of the first request; the n-th has ``/n`` behind it.
        halt_on_error: Whether the portal skips the rest of a chunk after an error in it.
        stop_on_error: Whether the run ends after a chunk in which anything failed or is unknown.
        operating: What is known of the methods' operating time.
        longest_wait: The most seconds to wait for it while nothing of what is blocked runs.
        pause: Lets a wait for operating time pass.
        ended: Whether the run has ended; what comes is skipped.
        answered: The outcomes that references may lead to.
        chunk: The chunk delivered last; None before the first.
        rows: By place, the outcomes of its commands as far as they are known at any moment: None for one that is on
            its way, nothing for one that was not attempted. It changes in one step each time, so that an exception
            at any instant (Ctrl-C, a soft time limit) finds what is true.
    """

    call: Call
    pause: Callable[[Wait], None]
    repeatable: Callable[[Command], bool]
    operating: OperatingTime
    longest_wait: float
    request_id: str
    halt_on_error: bool = attrs.field(default=True, kw_only=True)
    stop_on_error: bool = attrs.field(default=False, kw_only=True)
    ended: bool = attrs.field(default=False, init=False)
    answered: Answered = attrs.field(factory=Answered, init=False)
    chunk: Chunk | None = attrs.field(default=None, init=False)
    rows: dict[int, AjaxResult | None] = attrs.field(factory=dict, init=False)
    #: The commands of the chunk that wait for operating time, and those skipped behind them: names and places.
    _blocked: dict[str, int] = attrs.field(factory=dict, init=False)
    _requests: int = attrs.field(default=0, init=False)
    _not_sent: int = attrs.field(default=0, init=False)

    @property
    def last_request_id(self) -> str:
        """The ``X-Request-ID`` of the request sent last."""
        return self.request_id if self._requests <= 1 else f"{self.request_id}/{self._requests}"

    def send(self, chunk: Chunk, places: Iterable[int] = ()) -> list[AjaxResult]:
        """Return the outcomes of one request, of which these are the places; raise an `SdkError` when it fails."""
        self._requests += 1
        method, params = dump(chunk, halt=self.halt_on_error)
        repeatable = all(self.repeatable(encoded.command) for encoded in chunk.commands)
        size, request_id, before = len(chunk.commands), self.last_request_id, self.rows
        self.rows = before | dict.fromkeys(places)
        try:
            answer = self.call(method, params, request_id=request_id, repeatable=repeatable, commands=size)
        except BaseException as interrupt:
            if not vars(interrupt).get("request_sent", True):
                self.rows = before
            raise
        rows = load(chunk, answer, halt=self.halt_on_error)
        last = {method: answer.envelope.get("time")} | {row.command.method: row.time for row in rows if row.time}
        for called, time_block in last.items():
            self.operating.note(called, time_block)
        for row in rows:
            if row.error is not None:
                self._note_reset(row.error)
        return with_missed_references(chunk, rows)

    def deliver(self, chunk: Chunk) -> list[AjaxResult]:
        """Return the outcomes of `chunk`, also when its request fails or the run has ended."""
        self.rows = {}  # first, so that `rows` are never those of the chunk before
        self.chunk = chunk
        self._blocked.clear()
        if not self.ended:
            self._attempt(chunk, range(len(chunk.commands)))
            self._repeat_blocked(chunk)
        rows = self.known(chunk)
        self.ended = self.ended or (self.stop_on_error and not all(row.is_success for row in rows))
        self.answered.note_all(chunk.commands, rows)
        self.answered.forget(encoded.name for encoded in chunk.commands)
        return rows

    def known(self, chunk: Chunk) -> list[AjaxResult]:
        """Return the outcomes of `chunk`, the one delivered last; what was not attempted is skipped."""
        return [self.rows.get(place) or self._open(place, chunk) for place in range(len(chunk.commands))]

    def _open(self, place: int, chunk: Chunk) -> AjaxResult:
        """Return the outcome of a command that has none yet."""
        command = chunk.commands[place].command
        if place not in self.rows:
            return AjaxResult(command, "skipped")
        lost = AnswerLost("interrupted before the answer came", request_id=self.last_request_id)
        return AjaxResult(command, "unknown", error=lost, request_id=lost.request_id)

    def _attempt(self, chunk: Chunk, places: Iterable[int]) -> None:
        """Send the commands at these places of `chunk`, in one request unless a value makes one of them go alone."""
        if not chunk.has_references:
            self._request({place: chunk.commands[place] for place in places})
            return
        part: dict[int, EncodedCommand] = {}
        for place in places:
            encoded = chunk.commands[place]
            ready = self._ready(encoded, part)
            if isinstance(ready, EncodedCommand) and ready.obstacle:
                self._request(part)
                part = {}
                ready = self._ready(encoded, part)
            if isinstance(ready, AjaxResult):
                self._note_decided(place, encoded, ready)
                continue
            part[place] = ready
            if ready.obstacle:
                self._request(part)
                part = {}
        self._request(part)

    def _note_decided(self, place: int, encoded: EncodedCommand, row: AjaxResult) -> None:
        """Note a command that is not sent; one that waits for a blocked one is tried again together with it."""
        self.rows[place] = row
        self.answered.note(encoded.name, row)
        self._blocked.pop(encoded.name, None)
        if any(reference.target in self._blocked for reference in encoded.references):
            self._blocked[encoded.name] = place

    def _ready(self, encoded: EncodedCommand, part: dict[int, EncodedCommand]) -> EncodedCommand | AjaxResult:
        if not encoded.references:
            return encoded
        names = {other.name for other in part.values()}
        return self.answered.ready(encoded, names, halt=self.halt_on_error)

    def _request(self, part: dict[int, EncodedCommand]) -> None:
        """Send commands in one request, unless the run has ended, and note what became of them."""
        if self.ended or not part:
            return
        chunk = Chunk(tuple(part.values()))
        try:
            self._note(part, chunk, without_misread(chunk, self.send(chunk, part)))
            self._not_sent = 0
        except SdkError as error:
            self._note_reset(error)
            status: Status = "unknown" if isinstance(error, AnswerLost) else "failed"
            self._note(part, chunk, outcomes(chunk, status, error))
            self._not_sent = self._not_sent + 1 if isinstance(error, NotSent) else 0
            hopeless = isinstance(error, _HOPELESS) or self._not_sent == _NOT_SENT_IN_A_ROW
            self.ended = self.ended or hopeless

    def _note(self, places: Iterable[int], chunk: Chunk, rows: list[AjaxResult]) -> None:
        self.rows.update(zip(places, rows, strict=True))
        blocked = any(_is_blocked(row) for row in rows)
        self.answered.note_all(chunk.commands, rows)
        if blocked or self._blocked:
            self._note_blocked(places, chunk, rows)
        if self.stop_on_error and not blocked and not all(row.is_success for row in rows):
            self.ended = True

    def _note_blocked(self, places: Iterable[int], chunk: Chunk, rows: list[AjaxResult]) -> None:
        blocked = any(_is_blocked(row) for row in rows)
        for place, encoded, row in zip(places, chunk.commands, rows, strict=True):
            self._blocked.pop(encoded.name, None)
            if blocked and (row.status == "skipped" or _is_blocked(row)):
                self._blocked[encoded.name] = place

    def _note_reset(self, error: SdkError | None) -> None:
        if isinstance(error, OperatingLimitExceeded):
            error.reset_at = self.operating.reset_at(error.method)

    def _repeat_blocked(self, chunk: Chunk) -> None:
        """Send again what was blocked for its operating time, until it ran or the wait would be too long."""
        waited, attempt = 0.0, 1
        while self._blocked and not self.ended:
            places = sorted(self._blocked.values())
            errors = [row.error for row in map(self.rows.__getitem__, places) if row]
            methods = {error.method for error in errors if isinstance(error, OperatingLimitExceeded)}
            seconds = self.operating.wait_for(methods)
            if waited + seconds > self.longest_wait:
                return
            attempt += 1
            self.pause(Wait("operating", seconds, attempt, self.last_request_id))
            self._attempt(chunk, places)
            waited = waited + seconds if len(self._blocked) == len(places) else 0.0


def _is_blocked(row: AjaxResult) -> bool:
    return isinstance(row.error, OperatingLimitExceeded)


def outcomes(chunk: Chunk, status: Status, error: SdkError | None = None) -> list[AjaxResult]:
    """Return the same outcome for every command of a chunk."""
    return [
        AjaxResult(
            encoded.command,
            status,
            error=error,
            http_status=error.http_status if error else None,
            request_id=error.request_id if error else None,
        )
        for encoded in chunk.commands
    ]

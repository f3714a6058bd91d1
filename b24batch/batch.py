"""Runs of chunks: what each request's outcome means for its commands and for the chunks after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Protocol

import attrs

from b24batch.chunks import Chunk
from b24batch.commands import Command, refuse_duplicates
from b24batch.encoding import WireParams
from b24batch.errors import AnswerLost, AuthError, NotSent, PortalMoved, SdkError
from b24batch.payload import dump, load
from b24batch.results import AjaxResult, Answer, Status, collect

#: A portal that cannot be reached twice running is not asked a third time.
_NOT_SENT_IN_A_ROW = 2


class Call(Protocol):
    """The way to the portal, as `Transport.call` is one."""

    def __call__(self, method: str, params: WireParams, *, request_id: str, repeatable: bool) -> Answer:
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
        ended: Whether it has ended; what comes is skipped.
    """

    call: Call
    repeatable: Callable[[Command], bool]
    request_id: str
    halt_on_error: bool = True
    stop_on_error: bool = False
    ended: bool = False
    _requests: int = attrs.field(default=0, init=False)
    _not_sent: int = attrs.field(default=0, init=False)

    @property
    def last_request_id(self) -> str:
        """The ``X-Request-ID`` of the request sent last."""
        return self.request_id if self._requests == 1 else f"{self.request_id}/{self._requests}"

    def send(self, chunk: Chunk) -> list[AjaxResult]:
        """Return the outcomes of `chunk`; raise an `SdkError` when its request fails as a whole."""
        self._requests += 1
        method, params = dump(chunk, halt=self.halt_on_error)
        repeatable = all(self.repeatable(encoded.command) for encoded in chunk.commands)
        answer = self.call(method, params, request_id=self.last_request_id, repeatable=repeatable)
        return load(chunk, answer, halt=self.halt_on_error)

    def deliver(self, chunk: Chunk) -> list[AjaxResult]:
        """Return the outcomes of `chunk`, also when its request fails or the run has ended."""
        if self.ended:
            return _skipped(chunk)
        try:
            rows = self.send(chunk)
        except SdkError as error:
            rows = _failed(chunk, error)
            self._note_failure(error)
        else:
            self._not_sent = 0
        if self.stop_on_error and not all(row.is_success for row in rows):
            self.ended = True
        return rows

    def _note_failure(self, error: SdkError) -> None:
        self._not_sent = self._not_sent + 1 if isinstance(error, NotSent) else 0
        if isinstance(error, AuthError | PortalMoved) or self._not_sent == _NOT_SENT_IN_A_ROW:
            self.ended = True


def stream(run: Run, chunks: Iterable[Chunk]) -> Iterator[AjaxResult]:
    """Yield the outcome of each command as its chunk is answered."""
    for chunk in chunks:
        refuse_duplicates(chunk.commands)
        yield from run.deliver(chunk)


def run_all(run: Run, chunks: list[Chunk]) -> list[AjaxResult]:
    """Return the outcomes of all commands.

    Raises:
        BaseException: Whatever stops the run half-way, Ctrl-C for one; its `result` holds what is known.
    """
    rows: list[AjaxResult] = []
    in_flight: Chunk | None = None
    try:
        for in_flight in chunks:
            rows.extend(run.deliver(in_flight))
    except BaseException as interrupt:
        sent = vars(interrupt).get("request_sent", not run.ended)
        lost = AnswerLost("the run was interrupted before the answer came", request_id=run.last_request_id)
        for chunk in _from_row(chunks, len(rows)):
            rows.extend(_failed(chunk, lost) if sent and chunk is in_flight else _skipped(chunk))
        vars(interrupt)["result"] = collect(rows)
        raise
    return rows


def _from_row(chunks: list[Chunk], row: int) -> Iterator[Chunk]:
    ends = accumulate(len(chunk.commands) for chunk in chunks)
    return (chunk for chunk, end in zip(chunks, ends, strict=True) if end > row)


def _failed(chunk: Chunk, error: SdkError) -> list[AjaxResult]:
    status: Status = "unknown" if isinstance(error, AnswerLost) else "failed"
    return [
        AjaxResult(encoded.command, status, error=error, http_status=error.http_status, request_id=error.request_id)
        for encoded in chunk.commands
    ]


def _skipped(chunk: Chunk) -> list[AjaxResult]:
    return [AjaxResult(encoded.command, "skipped") for encoded in chunk.commands]

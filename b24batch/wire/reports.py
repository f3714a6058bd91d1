"""Reports: tells the hooks of a request what happens to it, and keeps their exceptions apart from its own."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.clock import Wait
from b24batch.errors import SdkError
from b24batch.wire.answers import Answer
from b24batch.wire.messages import FileFailed


@attrs.frozen
class FinishedRequest:
    """An HTTP request that has ended, however it ended, passed to `on_request`. It holds no secret and no parameter.

    Attributes:
        host: The portal's host, with the port if there is one.
        method: ``batch``, or the method if it was called directly; ``download`` for a file.
        commands: The number of commands in the request; 0 if it is for a file.
        attempt: How often it was sent, this time included: more than 1 for a retry.
        request_id: Its ``X-Request-ID``; retries have the same.
        began: When it was sent, as a Unix time.
        seconds: How long it took.
        http_status: The status of the answer; None without an answer.
        error: The name of the class of its error, such as ``AnswerLost``; None if it was answered with a result.
            Commands in it may have failed all the same.
        code: The code of its error, such as ``QUERY_LIMIT_EXCEEDED``; None without one.
    """

    host: str
    method: str
    commands: int
    attempt: int
    request_id: str
    began: float
    seconds: float
    http_status: int | None = None
    error: str | None = None
    code: str | None = None


class HookFailed(BaseException):
    """A request was ended by an exception of a hook, which `Reports.check` raises."""


@attrs.define(eq=False)
class Reports:
    """The reports of one call, run or list.

    An exception of a hook is kept until the outcome of the request is recorded. Otherwise it would be taken for the
    error of the request, and a command that was executed for one that was not.

    Attributes:
        on_request: Called with each request that has ended; or None.
    """

    on_request: Callable[[FinishedRequest], None] | None
    _raised: BaseException | None = attrs.field(default=None, init=False)

    def report(self, request: FinishedRequest, outcome: Answer | BaseException) -> None:
        """Call `on_request` with a request that ended with an answer or an error."""
        outcome = outcome.args[0] if isinstance(outcome, FileFailed) else outcome
        status: int | None = getattr(outcome, "http_status", None)
        error = type(outcome).__name__ if isinstance(outcome, BaseException) else None
        code = str(outcome.code) if isinstance(outcome, SdkError) else None
        try:
            if self.on_request is not None:
                self.on_request(attrs.evolve(request, http_status=status, error=error, code=code))
        except BaseException as error:
            self._raised = error

    def announce(self, announce: Callable[[Wait], None], wait: Wait) -> None:
        """Announce a wait of the request; end the request if a hook raised an exception."""
        self._end()
        try:
            announce(wait)
        except SdkError as error:
            self._raised = error
        self._end()

    def _end(self) -> None:
        if isinstance(self._raised, SdkError):
            raise HookFailed
        self.check()

    def check(self) -> None:
        """Raise the exception of a hook, if there was one."""
        if self._raised is None:
            return
        context = self._raised.__context__
        try:
            raise self._raised
        finally:
            self._raised.__context__ = context  # the hook's own, instead of the request's error
            self._raised = None

"""The error classes. They differ by what the caller does next."""

from __future__ import annotations

from typing import Any, Unpack

from b24batch.errors.evidence import ErrorCode as ErrorCode
from b24batch.errors.evidence import Evidence as Evidence
from b24batch.errors.evidence import is_deep
from b24batch.errors.evidence import to_message as to_message


class SdkError(Exception):
    """The base class of all errors of this library.

    They can be pickled, and do not contain a URL, a webhook code or a token.

    Attributes:
        code: The portal's code, or one of the library's own such as ``NOT_SENT``. ``code.matches(...)`` ignores case.
        description: What happened, in words.
        http_status: The HTTP status of the portal's answer; None if there was no answer.
        request_id: The ``X-Request-ID`` of the request; None if nothing was sent.
        not_executed: Whether this error proves that no command of the request was executed.
    """

    code: ErrorCode = ErrorCode("SDK_ERROR")
    http_status: int | None = None
    request_id: str | None = None
    not_executed: bool = False

    def __init__(self, description: str = "", **evidence: Unpack[Evidence]) -> None:
        super().__init__(description)
        self.description = description
        vars(self).update(evidence)
        self.code = ErrorCode(self.code)

    def to_dict(self) -> dict[str, Any]:
        """Return class, code and description as a dict that can be dumped as JSON."""
        return {"type": type(self).__name__, "code": str(self.code), "description": self.description}

    def __str__(self) -> str:
        return to_message(self.code, self.description)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.code)!r}, {self.description!r})"


class UsageError(SdkError, ValueError):
    """The call is invalid. Nothing was sent."""

    code: ErrorCode = ErrorCode("USAGE")
    not_executed = True


class UnexpectedAnswer(SdkError):
    """The portal's answer has an unexpected shape.

    Attributes:
        data: The answer. It is left out of a pickle if it is nested too deep.
    """

    code: ErrorCode = ErrorCode("UNEXPECTED_ANSWER")
    data: Any = None

    def __reduce__(self) -> tuple[object, ...]:
        kept = vars(self) | {"data": None if is_deep(self.data) else self.data}
        return type(self), self.args, kept


class TransportError(SdkError):
    """The request was not sent, or its answer is missing or unreadable."""


class NotSent(TransportError):
    """The request was not sent, so it was certainly not executed."""

    code: ErrorCode = ErrorCode("NOT_SENT")
    not_executed = True


class AnswerLost(TransportError):
    """The request was sent, but the answer is missing or unreadable. It may have been executed."""

    code: ErrorCode = ErrorCode("ANSWER_LOST")


class AjaxError(SdkError):
    """The portal answered with an error.

    Attributes:
        method: The method that was refused; ``batch`` if the portal refused the whole request.
        extra: The other keys of the portal's error object, such as ``argument`` or ``validation``.
    """

    method: str = ""
    extra: dict[str, Any]

    def __init__(self, description: str = "", **evidence: Unpack[Evidence]) -> None:
        evidence.setdefault("extra", {})
        super().__init__(description, **evidence)

    def to_dict(self) -> dict[str, Any]:
        """Return class, code, description and, if it is not empty, `extra` as a dict that can be dumped as JSON."""
        return {**super().to_dict(), **({"extra": self.extra} if self.extra else {})}

    def __str__(self) -> str:
        return f"{self.method}: {super().__str__()}" if self.method else super().__str__()


class RateLimited(AjaxError):
    """The portal refused too many requests (``QUERY_LIMIT_EXCEEDED``), or the wait would exceed `max_wait`.

    Attributes:
        retry_after: Seconds to wait before the request may be repeated; None if unknown.
    """

    code: ErrorCode = ErrorCode("QUERY_LIMIT_EXCEEDED")
    not_executed = True
    retry_after: float | None = None


class OperatingLimitExceeded(AjaxError):
    """The method has used up its operating time (``OPERATION_TIME_LIMIT``); it was not executed.

    Attributes:
        reset_at: Unix time in seconds from which the method becomes available again; None if unknown.
    """

    not_executed = True
    reset_at: float | None = None


class PortalMoved(AjaxError):
    """The portal answered with a redirect, which is not followed: a redirected POST loses its body.

    Attributes:
        host: The new host, with its port if it has one.
    """

    code: ErrorCode = ErrorCode("PORTAL_MOVED")
    not_executed = True
    host: str = ""


class AuthError(AjaxError):
    """The portal refuses the credentials. Every request of this session will fail."""

    not_executed = True


class ExpiredToken(AuthError):
    """The access token has expired, or the portal does not know it."""


class TokenRefreshError(SdkError):
    """The access token could not be renewed. Unless `temporary`, the application has to be authorised again.

    The code is the OAuth server's, such as ``invalid_grant``, or one of the library's own: ``TOKEN_ANSWER_LOST`` if the
    server fails, ``TOKEN_STORE`` if the store fails, ``TOKEN_NOT_STORED`` if a new token is kept in memory until it
    can be stored.

    Attributes:
        temporary: Whether the same call may succeed later.
    """

    code: ErrorCode = ErrorCode("TOKEN_REFRESH")
    not_executed = True
    temporary: bool = False


class ReferenceMissed(SdkError):
    """The value that a reference points at is missing or null, or is not an id where an id is expected.

    If the command is ``ok``, it ran with a wrong value instead. If it is ``failed``, it was not sent; in a chunked run
    it may also be a read that was sent, and its answer was discarded.
    """

    code: ErrorCode = ErrorCode("REFERENCE_MISSED")


class CursorStalled(SdkError):
    """A list returned rows that it had already returned: the portal ignores the filter or the order."""

    code: ErrorCode = ErrorCode("CURSOR_STALLED")


class JournalError(SdkError):
    """The journal of a run cannot be read or written, or the run is stuck. Nothing more was sent."""

    code: ErrorCode = ErrorCode("JOURNAL")


class RunBusy(JournalError):
    """Another process or thread uses the journal of this run. Nothing was sent, or nothing more if it had begun."""

    code: ErrorCode = ErrorCode("RUN_BUSY")
    not_executed = True

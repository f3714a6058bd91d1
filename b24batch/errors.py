"""The errors, sorted by what their reader does next, and the table from the portal's codes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

if TYPE_CHECKING:
    from b24batch.aliases import JsonValue


#: Python's pickle recurses: far deeper values end in its own error.
_MAX_PICKLED_DEPTH = 100


class ErrorCode(str):
    """A portal's error code, exactly as it came: text like any other in a comparison, a set and a dict.

    Portals spell one code in several ways (``expired_token``, ``EXPIRED_TOKEN``); `matches` looks past that.
    """

    __slots__ = ()

    def matches(self, *codes: str) -> bool:
        """Return whether it is one of `codes`, in whatever case."""
        return self.casefold() in {code.casefold() for code in codes}


class Evidence(TypedDict, total=False):
    """What an error can carry beside its description."""

    code: str
    http_status: int | None
    request_id: str | None
    method: str
    extra: dict[str, JsonValue]
    retry_after: float | None
    reset_at: float | None
    host: str
    temporary: bool
    data: JsonValue


class SdkError(Exception):
    """The base of every error of this library.

    All of them pickle, and none holds a URL, a webhook code or a token.

    Attributes:
        code: The portal's code as text, or one of our own such as ``NOT_SENT``; ``code.matches(...)`` compares
            without case.
        description: A sentence about what happened.
        http_status: The status of the portal's answer; None when there was no answer.
        request_id: What went out as ``X-Request-ID``; None when nothing was sent.
        not_executed: Whether this error proves that no command of its request was executed.
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

    def to_dict(self) -> dict[str, JsonValue]:
        """Return class, code and description as values that json can dump."""
        return {"type": type(self).__name__, "code": str(self.code), "description": self.description}

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.description) if part) or "no code and no description"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.code)!r}, {self.description!r})"


class UsageError(SdkError, ValueError):
    """The call is wrong and has to be mended; nothing of it was sent."""

    code = ErrorCode("USAGE")
    not_executed = True


class UnexpectedAnswer(SdkError):
    """The portal answered, but with another shape than what was asked for has.

    Attributes:
        data: What it answered. A pickle leaves it out when it is nested too deep for one.
    """

    code = ErrorCode("UNEXPECTED_ANSWER")
    data: JsonValue = None

    def __reduce__(self) -> tuple[object, ...]:
        kept = vars(self) | {"data": None if _is_deep(self.data) else self.data}
        return type(self), self.args, kept


class TransportError(SdkError):
    """The request got no usable answer."""


class NotSent(TransportError):
    """The request never left this machine: certainly not executed."""

    code = ErrorCode("NOT_SENT")
    not_executed = True


class AnswerLost(TransportError):
    """The request was sent and its answer lost or unreadable: it may have been executed."""

    code = ErrorCode("ANSWER_LOST")


def _is_deep(value: JsonValue) -> bool:
    level = [value]
    for _ in range(_MAX_PICKLED_DEPTH):
        level = [part for each in level for part in _parts(each)]
    return bool(level)


def _parts(value: JsonValue) -> list[JsonValue]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


class AjaxError(SdkError):
    """The portal answered with an error.

    Attributes:
        method: The method that was refused; ``batch`` when the portal refused the whole request.
        extra: What else the portal's error object says, by its keys: ``argument``, ``validation`` and the like.
    """

    method: str = ""
    extra: dict[str, JsonValue]

    def __init__(self, description: str = "", **evidence: Unpack[Evidence]) -> None:
        evidence.setdefault("extra", {})
        super().__init__(description, **evidence)

    def to_dict(self) -> dict[str, JsonValue]:
        """Return class, code, description and, if there is any, `extra` as values that json can dump."""
        return {**super().to_dict(), **({"extra": self.extra} if self.extra else {})}

    def __str__(self) -> str:
        return f"{self.method}: {super().__str__()}" if self.method else super().__str__()


class RateLimited(AjaxError):
    """More requests than the portal takes (``QUERY_LIMIT_EXCEEDED``), or than `max_wait` lets one wait for.

    Attributes:
        retry_after: Seconds after which the request may be repeated; None when nobody knows.
    """

    code = ErrorCode("QUERY_LIMIT_EXCEEDED")
    not_executed = True
    retry_after: float | None = None


class OperatingLimitExceeded(AjaxError):
    """The method has used up its operating time (``OPERATION_TIME_LIMIT``); it was not executed.

    Attributes:
        reset_at: Unix time in seconds at which the portal starts to free the method; None when unknown.
    """

    not_executed = True
    reset_at: float | None = None


class PortalMoved(AjaxError):
    """The portal answered with a redirect, which is never followed: a redirected POST loses its body.

    Attributes:
        host: The new host, with its port if it has one.
    """

    code = ErrorCode("PORTAL_MOVED")
    not_executed = True
    host: str = ""


class AuthError(AjaxError):
    """The credentials themselves are refused; no request of this session will pass."""

    not_executed = True


class ExpiredToken(AuthError):
    """The access token is past its time or unknown to the portal."""


class TokenRefreshError(SdkError):
    """The access token could not be renewed; unless this is `temporary`, the application has to be authorised again.

    Its code is the token server's, such as ``invalid_grant``, or one of ours: ``TOKEN_ANSWER_LOST`` when the server
    fails, ``TOKEN_STORE`` when the store does, ``TOKEN_NOT_STORED`` when a new token waits in memory to be stored.

    Attributes:
        temporary: Whether the same call may succeed later.
    """

    code = ErrorCode("TOKEN_REFRESH")
    not_executed = True
    temporary: bool = False


class ReferenceMissed(SdkError):
    """What a reference points at is missing or null, or is no id in the place of one.

    On a command that is ``ok`` it says that the command ran with a wrong value in its place; on one that is
    ``failed``, that it was not sent, or in a chunked run that it only read, and its answer is left out.
    """

    code = ErrorCode("REFERENCE_MISSED")


class CursorStalled(SdkError):
    """A list came back to rows that it had passed: its filter, or its order, does not hold."""

    code = ErrorCode("CURSOR_STALLED")

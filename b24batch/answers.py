"""Answers: what a status, its headers and a body say, as an envelope or as the error that they are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NoReturn, TypeVar, Unpack
from urllib.parse import urlsplit

import attrs

from b24batch.encoding import JsonValue, redacted
from b24batch.errors import (
    AjaxError,
    AnswerLost,
    Evidence,
    OperatingLimitExceeded,
    PortalMoved,
    RateLimited,
    SdkError,
    refusal_class,
)
from b24batch.extra import extra_of

_Error = TypeVar("_Error", bound=SdkError)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@attrs.frozen(repr=False)
class Answer:
    """A portal's answer to one request: the decoded envelope and what came with it."""

    envelope: dict[str, JsonValue]
    http_status: int
    request_id: str


@attrs.frozen(repr=False)
class HttpAnswer:
    """What came over HTTP, undecoded, with the method and the id of its request."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    method: str
    request_id: str

    def opened(self, now: float) -> Answer:
        """Return the envelope inside.

        Args:
            now: The Unix time, for a ``Retry-After`` that is a date.

        Raises:
            AjaxError: The portal refused the request.
            AnswerLost: Nobody can tell from this what the portal did.
        """
        envelope = json_object(self.content)
        if self.status in _REDIRECTS:
            host = _host(self.headers.get("Location", ""))
            raise self._error(PortalMoved, f"the portal answers at {host or 'another address'}", host=host)
        if envelope is not None and "error" in envelope:
            raise self._refusal(envelope, now)
        if envelope is None or "result" not in envelope or not 200 <= self.status < 300:
            raise self._error(AnswerLost, _unreadable(self.status, envelope))
        return Answer(envelope, self.status, self.request_id)

    def _refusal(self, envelope: dict[str, JsonValue], now: float) -> SdkError:
        code = text_of(envelope["error"])
        error = self._error(self._class_of(code), text_of(envelope.get("error_description")), code=code)
        if isinstance(error, RateLimited):
            error.retry_after = _seconds(self.headers.get("Retry-After", ""), now)
        if isinstance(error, AjaxError):
            error.extra = extra_of(envelope, redacted)
        if error.code.matches("CONNECTION_ERROR") and self.status == 401:  # the portal could not ask the OAuth server
            error.not_executed = True
        return error

    def _class_of(self, code: str) -> type[SdkError]:
        kind: type[SdkError] = refusal_class(code, self.method)
        if self.status == 429:
            kind = OperatingLimitExceeded
        if kind is RateLimited and self.status != 503:
            kind = AjaxError
        if code.casefold() == "wrong_encoding" or (kind is AjaxError and self.status >= 500):
            kind = AnswerLost
        return kind

    def _error(self, kind: type[_Error], description: str, **evidence: Unpack[Evidence]) -> _Error:
        evidence["http_status"], evidence["request_id"] = self.status, self.request_id
        if issubclass(kind, AjaxError):
            evidence["method"] = self.method
        return kind(description, **evidence)


def json_object(content: bytes) -> dict[str, JsonValue] | None:
    """Return the object that a body is in strict JSON; None for any other body."""
    try:
        value = _strict.decode(content.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_strict = json.JSONDecoder(parse_constant=_no_number)


def _unreadable(status: int, envelope: dict[str, JsonValue] | None) -> str:
    if envelope is not None:
        return f"the answer (HTTP {status}) has no result"
    hint = "; is this the portal's address?" if 400 <= status < 500 else ""
    return f"the answer (HTTP {status}) is not the JSON of a portal{hint}"


def _host(location: str) -> str:
    try:
        parts = urlsplit(location)
        return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return ""


def _seconds(retry_after: str, now: float) -> float | None:
    """The seconds that a ``Retry-After`` asks for, as a number or as a date."""
    try:
        seconds = float(retry_after)
    except ValueError:
        seconds = _date(retry_after) - now
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _date(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def text_of(value: JsonValue) -> str:
    """Return a code or a description as text; codes may be numbers or null."""
    return "" if value is None else str(value)

"""Answers: turn a status, headers and a body into an envelope or an error."""

from __future__ import annotations

import codecs
import json
from email.utils import parsedate_to_datetime
from typing import NoReturn, TypeVar, Unpack
from urllib.parse import urlsplit

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import AjaxError, AnswerLost, Evidence, OperatingLimitExceeded, PortalMoved, RateLimited, SdkError
from b24batch.redaction import Secret, mask
from b24batch.wire.codes import choose_refusal_class
from b24batch.wire.extra import read_extra
from b24batch.wire.messages import Reply

_Error = TypeVar("_Error", bound=SdkError)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Statuses of a refusal for the rate: 503 is documented; a server in front of the portal may turn it into 429.
_RATE_STATUSES = frozenset({429, 503})
#: Seconds, about 30 years: caps a header's value, so that it can always be slept and added to a date.
_LONGEST_HINT = 1e9
#: Characters that a message quotes from an answer that is not JSON, and bytes that are masked first.
_QUOTED, _MASKED = 80, 65_536


@attrs.frozen
class Answer:
    """A portal's answer to one request: the decoded envelope and what came with it.

    Attributes:
        envelope: The decoded object. It has a ``result``; the result of a batch has its maps.
        http_status: The status of the answer.
        request_id: The id of the request.
        secrets: Secrets that must not appear in the text of an error.
    """

    envelope: dict[str, JsonValue] = attrs.field(repr=False)
    http_status: int
    request_id: str
    secrets: tuple[Secret, ...] = ()


@attrs.frozen
class Decoder:
    """Decodes the reply to one request, whose method, id and secrets it has."""

    reply: Reply
    method: str
    request_id: str
    secrets: tuple[Secret, ...] = ()

    def decode(self, now: float) -> Answer:
        """Return the decoded answer.

        Args:
            now: The Unix time, for a ``Retry-After`` that is a date.

        Raises:
            AjaxError: The portal refused the request.
            AnswerLost: The answer does not say what the portal did.
        """
        # The answer may contain a secret, so it must not be a local of a frame that raises an error.
        read = self._read(now)
        if isinstance(read, SdkError):
            raise read
        return read

    def _read(self, now: float) -> Answer | SdkError:
        if self.reply.status in _REDIRECTS:
            host = _parse_host(self.reply.headers.get("Location", ""))
            return self._make_error(PortalMoved, f"the portal answers at {host or 'another address'}", host=host)
        envelope = decode_object(self.reply.content)
        if envelope is None:
            return self._make_error(AnswerLost, self._describe_unreadable())
        if "error" in envelope:
            return self._read_refusal(envelope, now)
        if "result" not in envelope or not 200 <= self.reply.status < 300:
            return self._make_error(AnswerLost, f"the answer (HTTP {self.reply.status}) has no result")
        if self.method.casefold() == "batch" and not _has_maps(envelope["result"]):
            return self._make_error(AnswerLost, f"the answer (HTTP {self.reply.status}) is not an answer to a batch")
        return Answer(envelope, self.reply.status, self.request_id, self.secrets)

    def _describe_unreadable(self) -> str:
        hint = "; is this the portal's address?" if 400 <= self.reply.status < 500 else ""
        hint = "; the proxy requires a user name and a password" if self.reply.status == 407 else hint
        # Masked before it is cut, so that no part of a secret is left.
        text = mask(self.reply.content[:_MASKED].decode(errors="replace"), self.secrets)
        begin = f" but begins {text[:_QUOTED]!r}" if text else " but is empty"
        return f"the answer (HTTP {self.reply.status}) is not the JSON of a portal{begin}{hint}"

    def _read_refusal(self, envelope: dict[str, JsonValue], now: float) -> SdkError:
        code, description = to_text(envelope["error"]), to_text(envelope.get("error_description"))
        if not _is_code(envelope["error"], self.reply.status):
            kind = type(envelope["error"]).__name__
            problem = f"the answer (HTTP {self.reply.status}) has an error that is not a code, {kind}: {description}"
            return self._make_error(AnswerLost, problem)
        error = self._make_error(self._choose_class(code), description, code=code)
        if isinstance(error, RateLimited):
            error.retry_after = _parse_retry_after(self.reply.headers.get("Retry-After", ""), now)
        if isinstance(error, AjaxError):
            error.extra = read_extra(envelope, self.secrets)
        if self.reply.status == 401 and error.code.matches("CONNECTION_ERROR"):  # it could not ask the OAuth server
            error.not_executed = True
        return error

    def _choose_class(self, code: str) -> type[SdkError]:
        kind: type[SdkError] = choose_refusal_class(code, self.method)
        if kind is AjaxError and self.reply.status == 429:
            kind = OperatingLimitExceeded
        if kind is RateLimited and self.reply.status not in _RATE_STATUSES:
            kind = AjaxError
        if code.casefold() == "wrong_encoding" or (kind is AjaxError and self.reply.status >= 500):
            kind = AnswerLost
        return kind

    def _make_error(self, kind: type[_Error], description: str, **evidence: Unpack[Evidence]) -> _Error:
        for name in ("code", "host"):
            if name in evidence:
                evidence[name] = mask(evidence[name], self.secrets)
        evidence["http_status"], evidence["request_id"] = self.reply.status, self.request_id
        if issubclass(kind, AjaxError):
            evidence["method"] = self.method
        return kind(mask(description, self.secrets), **evidence)


def decode_object(content: bytes) -> dict[str, JsonValue] | None:
    """Decode a body that is a strict JSON object, with or without a byte order mark; None for any other body."""
    try:
        value = _strict.decode(content.removeprefix(codecs.BOM_UTF8).decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_strict = json.JSONDecoder(parse_constant=_no_number)


def _has_maps(result: JsonValue) -> bool:
    """Return whether a result says what became of the commands of a batch; other maps may be missing or invalid."""
    names = ("result", "result_error")
    return isinstance(result, dict) and all(isinstance(result.get(name, ""), dict | list | None) for name in names)


def _is_code(error: JsonValue, status: int) -> bool:
    """Return whether an error means that the portal did nothing.

    With status 200 it must be a text that is not empty. With 400 or more it may also be a number or an empty text,
    which old methods use as codes. No other form is documented.
    """
    if isinstance(error, str) and error.strip():
        return True
    return status >= 400 and isinstance(error, str | int | float) and not isinstance(error, bool)


def _parse_host(location: str) -> str:
    try:
        parts = urlsplit(location)
        return f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return ""


def _parse_retry_after(text: str, now: float) -> float | None:
    """Return the seconds in a ``Retry-After`` header, a number or a date; None if it is neither.

    urllib3's parser refuses fractions of a second, and counts from the computer's time instead of the session's clock.
    """
    is_number = text[-1:].isdigit() and " " not in text  # not "inf"
    try:
        seconds = float(text) if is_number else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), _LONGEST_HINT)


def to_text(value: JsonValue) -> str:
    """Return a code or a description as text; accepts any JSON value, since codes may be numbers or null."""
    if isinstance(value, str) or value is None:
        return value or ""
    try:
        return str(value)
    except (ValueError, RecursionError):  # too many digits, or nested too deeply
        return f"<{type(value).__name__}>"

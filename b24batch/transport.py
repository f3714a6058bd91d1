"""The way to the portal: one POST that is waited for, sent, decoded, raised and retried."""

from __future__ import annotations

import json
import math
from email.utils import parsedate_to_datetime
from typing import NoReturn, TypeVar, Unpack
from urllib.parse import urlsplit

import attrs
import requests
from urllib3.exceptions import HTTPError

from b24batch.adapter import Connections, transport_error
from b24batch.auth import Auth
from b24batch.encoding import JsonValue, WireParams
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
from b24batch.limits import Clock, LeakyBucket
from b24batch.results import Answer
from b24batch.retries import RetryPolicy

_Error = TypeVar("_Error", bound=SdkError)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@attrs.frozen(eq=False)
class Transport:
    """Sends requests to one portal; times are seconds.

    Attributes:
        auth: Where the portal is and with what secret it is called.
        connections: What the requests travel on.
        limits: The rate that is kept; None for none.
        retries: Whether and when a request is sent again.
        clock: Where time comes from.
        timeout: To connect, and between two bytes of an answer.
        deadline: For a whole answer.
        max_wait: For any single wait, whatever its reason; None for no bound.
    """

    auth: Auth
    connections: Connections
    limits: LeakyBucket | None
    retries: RetryPolicy
    clock: Clock
    timeout: tuple[float, float]
    deadline: float
    max_wait: float | None

    def call(self, method: str, params: WireParams, *, request_id: str, repeatable: bool) -> Answer:
        """Return the portal's answer to one request, sent again where that is safe.

        Args:
            method: The method to call, ``batch`` or another.
            params: The body.
            request_id: Goes out as ``X-Request-ID``, the same for every attempt.
            repeatable: Whether the request may run twice.

        Raises:
            SdkError: The error of the last attempt; `AnswerLost` when the answer to any attempt was lost. An
                exception that is none of ours, such as Ctrl-C, has `request_sent`: whether an attempt had left.
        """
        exchange = _Exchange(self, method, json.dumps(params).encode(), request_id)
        retrying = self.retries.retrying(repeatable=repeatable, max_wait=self.max_wait, sleep=self.clock.sleep)
        try:
            return retrying(exchange.attempt)
        except SdkError as error:
            failure = error
        except BaseException as interrupt:
            vars(interrupt)["request_sent"] = exchange.lost or vars(interrupt).get("request_sent", False)
            raise
        raise exchange.outcome(failure)


@attrs.define(eq=False)
class _Exchange:
    """One request and its attempts."""

    transport: Transport
    method: str
    body: bytes = attrs.field(repr=False)
    request_id: str
    lost: bool = False

    def attempt(self) -> Answer:
        limits = self.transport.limits
        if limits is not None:
            limits.acquire(max_wait=self.transport.max_wait)
        try:
            return self._opened(*self._post())
        except AnswerLost:
            self.lost = True
            raise
        except RateLimited as error:
            if limits is not None:
                limits.penalize(error.retry_after or 0.0)
            raise

    def outcome(self, failure: SdkError) -> SdkError:
        """Return what to raise after the last attempt: a lost answer outweighs whatever came after it."""
        if not self.lost or isinstance(failure, AnswerLost):
            return failure
        description = f"an answer was lost; when the request was sent again: {failure}"
        return AnswerLost(description, http_status=failure.http_status, request_id=self.request_id)

    def _post(self) -> tuple[requests.Response, bytes]:
        connect, read = self.transport.timeout
        until = self.transport.clock.monotonic() + self.transport.deadline
        try:
            with (
                self.transport.connections.use() as http,
                http.post(
                    self.transport.auth.url(self.method).reveal(),
                    data=self.body,
                    headers={"Content-Type": "application/json", "X-Request-ID": self.request_id},
                    timeout=(connect, min(read, self.transport.deadline)),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                return response, self._read(response, until)
        except (requests.RequestException, HTTPError, OSError, ValueError) as fault:
            failure: SdkError = transport_error(fault, self.request_id)
        except SdkError as error:
            failure = error
        except BaseException as interrupt:  # its traceback would show the frames that hold the address
            vars(interrupt).setdefault("request_sent", True)
            interrupt.__context__ = None
            raise interrupt.with_traceback(None) from None
        raise failure

    def _read(self, response: requests.Response, until: float) -> bytes:
        parts = []
        while part := response.raw.read1(65536, decode_content=True):
            parts.append(part)
            if self.transport.clock.monotonic() > until:
                raise self._error(AnswerLost, response, f"the answer took over {self.transport.deadline} s")
        return b"".join(parts)

    def _opened(self, response: requests.Response, content: bytes) -> Answer:
        status, envelope = response.status_code, _json_object(content)
        if status in _REDIRECTS:
            host = _host(response.headers.get("Location", ""))
            raise self._error(PortalMoved, response, f"the portal answers at {host or 'another address'}", host=host)
        if envelope is not None and "error" in envelope:
            raise self._refusal(envelope, response)
        if envelope is None or "result" not in envelope or not 200 <= status < 300:
            raise self._error(AnswerLost, response, _unreadable(status, envelope))
        return Answer(envelope, status, self.request_id)

    def _refusal(self, envelope: dict[str, JsonValue], response: requests.Response) -> SdkError:
        status, code = response.status_code, _text(envelope["error"])
        kind: type[SdkError] = refusal_class(code, self.method)
        if status == 429:
            kind = OperatingLimitExceeded
        if code.casefold() == "wrong_encoding" or (kind is AjaxError and status >= 500):
            kind = AnswerLost
        error = self._error(kind, response, _text(envelope.get("error_description")), code=code)
        if isinstance(error, RateLimited):
            error.retry_after = _seconds(response.headers.get("Retry-After", ""), self.transport.clock.time())
        return error

    def _error(
        self, kind: type[_Error], response: requests.Response, description: str, **evidence: Unpack[Evidence]
    ) -> _Error:
        evidence["http_status"], evidence["request_id"] = response.status_code, self.request_id
        if issubclass(kind, AjaxError):
            evidence["method"] = self.method
        return kind(description, **evidence)


def _json_object(content: bytes) -> dict[str, JsonValue] | None:
    try:
        value = json.loads(content.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


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


def _text(value: JsonValue) -> str:
    return "" if value is None else str(value)

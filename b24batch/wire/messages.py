"""Messages: a request to be made, and its reply, read whole before the connection is used again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import attrs
import requests

from b24batch.errors import AnswerLost, SdkError
from b24batch.wire.delivery import Delivery, left_of

#: Bytes of an answer that are asked for at once.
_PART = 65536


@attrs.frozen(repr=False)
class Post:
    """A request to be made; a traceback with locals shows nothing of it.

    Attributes:
        url: With the secret in it.
        data: The body, or the fields of a form.
        headers: Besides those of the session.
        timeout: Seconds to connect, and between two bytes of an answer.
        deadline: Seconds for the whole request.
        max_answer: The most bytes that the decoded answer may have.
    """

    url: str = attrs.field(repr=False)  # some printers look past the repr of the class
    data: bytes | Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str]
    timeout: tuple[float, float]
    deadline: float
    max_answer: int


@attrs.define(eq=False, repr=False)
class Reply:
    """What came back, read whole: a block around its reading keeps its connection.

    The connection is used again only when the block ends well, or with an error that is an answer; after an
    `AnswerLost`, and after what is no error of ours, it is closed: nobody can tell whose bytes may come next.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False)
    _lease: _Lease

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lost = kind is not None and (issubclass(kind, AnswerLost) or not issubclass(kind, SdkError))
        self._lease.end(reusable=not lost)


class _Lease:
    """The connection of an answer, taken from urllib3, which would lend it out again as soon as the body was read."""

    def __init__(self, raw: Any) -> None:
        self._raw, self._connection = raw, getattr(raw, "_connection", None)
        raw._connection = None

    def end(self, *, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not reusable:
            connection.close()
        self._raw._connection = connection
        self._raw.release_conn()


def read_reply(response: requests.Response, delivery: Delivery, max_answer: int) -> Reply:
    """Return an answer, read whole; one that cannot be read closes its connection."""
    lease = _Lease(response.raw)
    try:
        content = _content(response, delivery, max_answer)
        return Reply(response.status_code, response.raw.headers, content, lease)
    except BaseException:
        lease.end(reusable=False)
        response.close()
        raise


def _content(response: requests.Response, delivery: Delivery, max_answer: int) -> bytes:
    parts, size, timeout = [], 0, delivery.timeouts(math.inf, math.inf)[0]
    while part := response.raw.read1(_PART, decode_content=True):
        size += len(part)
        if size > max_answer:
            raise AnswerLost(f"the answer has over {max_answer} bytes", http_status=response.status_code)
        parts.append(part)
        left_of(timeout)
    return b"".join(parts)

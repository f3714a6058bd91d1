"""Messages: a request to send, and its reply, read completely before the connection is used again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

import attrs
import requests

from b24batch.errors import AnswerLost, SdkError
from b24batch.wire.delivery import Delivery, Timeout, get_time_left

#: Bytes of an answer to read at once.
_PART = 65536
#: Gets the status and the headers of an answer, and returns what takes the parts of its body, as they were sent; None
#: for a body that is to be decoded and returned.
Save: TypeAlias = Callable[[int, Mapping[str, str]], Callable[[bytes], object] | None]


class FileFailed(Exception):
    """The error in `args` was raised by a file, not by the network, so a request is not repeated for it."""


@attrs.frozen
class Post:
    """A request to send; its repr shows neither address nor body, so a traceback with locals is safe.

    Attributes:
        url: The address, including the secret.
        data: The body, or the fields of a form.
        headers: Headers in addition to those of the session.
        timeout: Seconds to connect, and between two bytes of an answer.
        deadline: Seconds for the whole request.
        max_answer: The most bytes that the decoded answer may have.
        public_only: Whether to connect only to a public address.
        verb: The HTTP verb.
        save: Decides what happens to the body of the answer. Default None: it is returned.
    """

    url: str = attrs.field(repr=False)
    data: bytes | Mapping[str, str] | Iterable[bytes] | None = attrs.field(repr=False)
    headers: Mapping[str, str]
    timeout: tuple[float, float]
    deadline: float
    max_answer: int
    public_only: bool = False
    verb: str = "POST"
    save: Save | None = None


@attrs.define(eq=False)
class Reply:
    """A reply, read completely. Use it in a ``with`` block, which holds its connection.

    The connection is used again only if the block succeeds or raises an error that the portal answered. After an
    `AnswerLost`, or an exception that is not an `SdkError`, it is closed, since leftover bytes may follow.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False)
    _raw: Any
    #: Taken from urllib3, which would reuse it as soon as the body was read.
    _connection: Any

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lost = kind is not None and (issubclass(kind, AnswerLost) or not issubclass(kind, SdkError))
        self.release(reusable=not lost)

    def release(self, *, reusable: bool) -> None:
        """Give the connection back to its pool; close it first if it is not reusable."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not reusable:
            connection.close()
        self._raw._connection = connection
        self._raw.release_conn()


def read_reply(response: requests.Response, delivery: Delivery, post: Post) -> Reply:
    """Read the answer to `post` completely; if that fails, close its connection."""
    raw: Any = response.raw
    reply = Reply(response.status_code, raw.headers, b"", raw, getattr(raw, "_connection", None))
    raw._connection = None
    try:
        if write := post.save and _call(post.save, reply.status, reply.headers):
            _save_content(response, delivery, write)
        else:
            reply.content = _read_content(response, delivery, post.max_answer)
        return reply
    except BaseException:
        reply.release(reusable=False)
        response.close()
        raise


def _read_content(response: requests.Response, delivery: Delivery, max_answer: int) -> bytes:
    parts, size, timeout = [], 0, Timeout(math.inf, delivery)
    while part := response.raw.read1(_PART, decode_content=True):
        size += len(part)
        if size > max_answer:
            raise AnswerLost(f"the answer has more than {max_answer} bytes", http_status=response.status_code)
        parts.append(part)
        get_time_left(timeout)
    return b"".join(parts)


def _save_content(response: requests.Response, delivery: Delivery, write: Callable[[bytes], object]) -> None:
    timeout = Timeout(math.inf, delivery)
    while part := response.raw.read1(_PART, decode_content=False):
        _call(write, part)
        get_time_left(timeout)


def _call(function: Callable[..., Any], *args: object) -> Any:
    """Call what saves an answer; its errors are kept apart from those of the network."""
    try:
        return function(*args)
    except OSError as error:
        raise FileFailed(error) from None

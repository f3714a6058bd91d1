"""Connections: what the requests of a session and its siblings travel on, one set for each process."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import attrs
import requests
from requests.exceptions import InvalidSchema
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError, SSLError
from urllib3.util import Retry

from b24batch.adapter import TrackingAdapter
from b24batch.addresses import is_loopback
from b24batch.auth import Secret
from b24batch.delivery import Delivery, left_of
from b24batch.encoding import JsonValue
from b24batch.errors import AnswerLost, SdkError, UsageError
from b24batch.faults import foreign_exception, transport_error

#: Threads that can share one session without a connection being thrown away.
POOL_SIZE = 32
#: Below the keep-alive limit of usual servers: a socket closed there while a request leaves costs its answer.
MAX_IDLE_SECONDS = 10.0
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


class Connections:
    """The connections that a session and its siblings share: kept alive, one set per process.

    Args:
        monotonic: Tells the time in seconds.
        http: The caller's own `requests.Session`, used as it is, in whatever process.
    """

    def __init__(self, monotonic: Callable[[], float], http: requests.Session | None = None) -> None:
        self._monotonic = monotonic
        self._own = http is None
        self._http = http or _requests_session()
        self._pid = os.getpid()
        self._last_used = monotonic()

    def post(self, post: Post) -> Reply:
        """Make a request, and return what came back, whatever it says.

        Raises:
            NotSent: Nothing of it left.
            AnswerLost: It may have left, and no whole answer came in time.
            BaseException: What is no fault of the network, Ctrl-C for one; its `request_sent` says whether the request
                may have left.
        """
        delivery = Delivery(self._monotonic, post.deadline)
        outcome = self._outcome(post, delivery, sys.exception())
        self._last_used = self._monotonic()
        if isinstance(outcome, Reply):
            return outcome
        if not isinstance(outcome, SdkError):
            self._renew()  # the exception may have come at any instant, inside urllib3's pool for one
            outcome.__context__ = None
            vars(outcome)["request_sent"] = delivery.sent
        # The frames of its traceback so far hold the address, and its context may have it in its text.
        raise outcome.with_traceback(None)

    def _outcome(self, post: Post, delivery: Delivery, outer: BaseException | None) -> Reply | BaseException:
        response: requests.Response | None = None
        try:
            http = self._usable()
            response = http.post(
                post.url,
                data=post.data,
                headers=post.headers,
                timeout=delivery.timeouts(*post.timeout),
                allow_redirects=False,
                hooks={"response": [*http.hooks["response"], _hide_redirect]},
                stream=True,
            )
            return _reply(response, delivery, post.max_answer)
        except SdkError as error:
            return error
        except (requests.RequestException, HTTPError, OSError, ValueError) as fault:
            return foreign_exception(fault, outer) or transport_error(fault, delivery, _status_of(response))
        except BaseException as interrupt:
            return interrupt

    def _usable(self) -> requests.Session:
        idle = self._monotonic() - self._last_used > MAX_IDLE_SECONDS
        if idle or self._pid != os.getpid():
            self._renew()
        return self._http

    def _renew(self) -> None:
        """Begin with new sockets; the old ones are left to those who use them, and to a parent process."""
        if self._own:
            self._http, self._pid = _requests_session(), os.getpid()

    def close(self) -> None:
        """Drop our own sockets; a later request opens new ones."""
        if self._own:
            self._http.close()


def _reply(response: requests.Response, delivery: Delivery, max_answer: int) -> Reply:
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


def _hide_redirect(response: requests.Response, **options: object) -> None:
    """Keep requests from reading a redirect to its end, however large, as it does even when it follows none."""
    del options
    response.headers.pop("Location", None)


def _status_of(response: requests.Response | None) -> int | None:
    return None if response is None else response.status_code


def refuse_repeats(http: requests.Session, endpoint: Secret) -> None:
    """Raise `UsageError` when the adapter of `http` for this address would send a POST again by itself."""
    try:
        retry = getattr(http.get_adapter(endpoint.reveal()), "max_retries", None)
    except InvalidSchema:
        return
    if isinstance(retry, Retry) and _repeats(retry):
        raise UsageError(
            "max_retries of the http= adapter would send a POST again after the portal may have executed it:"
            " mount it with max_retries=0 and set retries= of the Session, which repeats only what is safe"
        )


def _repeats(retry: Retry) -> bool:
    """Return whether urllib3 would repeat a POST after it was sent: for its status, or for a lost answer."""
    lost = (ReadTimeoutError(Any, "", ""), ProtocolError(), SSLError())  # type: ignore[arg-type]
    return any(retry.is_retry("POST", status, has_retry_after=True) for status in range(400, 600)) or any(
        _outlives(retry, error) for error in lost
    )


def _outlives(retry: Retry, error: Exception) -> bool:
    try:
        retry.increment("POST", "/", error=error)
    except HTTPError:
        return False
    return True


_MANY_ADDRESSES = 100
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_LOOKED_FOR = (*_PROXIES, *map(str.upper, _PROXIES), "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUEST_METHOD")


class _RequestsSession(requests.Session):
    """A session that does once what requests does again for every request."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[tuple[object, ...], dict[str, JsonValue]] = {}
        self._prepared: dict[object, requests.PreparedRequest] = {}

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Do as requests does, but all that follows from the address once only."""
        template = self._prepared.get(request.url)
        if template is None:
            if len(self._prepared) > _MANY_ADDRESSES:
                self._prepared.clear()
            template = super().prepare_request(requests.Request(request.method, request.url))
            self._prepared[request.url] = template
        prepared = template.copy()
        prepared.prepare_body(request.data, None)
        prepared.headers.update(request.headers)
        return prepared

    def merge_environment_settings(self, url: str, *options: JsonValue) -> dict[str, JsonValue]:
        """Do as requests does, but go through the whole environment only when what it looks for there has changed."""
        address = urlsplit(url)
        key = (address.scheme, address.netloc, repr(options), *map(os.environ.get, _LOOKED_FOR))
        settings = self._settings.get(key)
        if settings is None:
            settings = super().merge_environment_settings(url, *options)
            if is_loopback(address.netloc):  # for this machine credentials may go without https, but not to a proxy
                settings["proxies"] = {}
            self._settings = {key: settings}
        return settings | {"proxies": {**settings["proxies"]}}


def _requests_session() -> requests.Session:
    http = _RequestsSession()
    adapter = TrackingAdapter(pool_maxsize=POOL_SIZE)
    http.hooks["response"].append(_hide_redirect)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    http.headers["User-Agent"] = _user_agent()
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    http.auth = lambda request: request  # or requests would send a password that .netrc has for the host
    return http


@functools.cache
def _user_agent() -> str:
    try:
        return f"b24batch/{version('b24batch')}"
    except PackageNotFoundError:
        return "b24batch"

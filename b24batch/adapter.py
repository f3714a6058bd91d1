"""Connections that know whether a request left this machine, and say so when it got no answer."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection as BaseConnection
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import attrs
import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import LocationValueError

from b24batch.addresses import is_loopback
from b24batch.encoding import JsonValue
from b24batch.errors import AnswerLost, NotSent, TransportError

#: Threads that can share one session without a connection being thrown away.
POOL_SIZE = 32
#: Below the keep-alive limit of usual servers: a socket closed there while a request leaves costs its answer.
MAX_IDLE_SECONDS = 10.0


class _Departure(threading.local):
    """Whether the request of this thread has begun to leave; handshakes of a connection are not the request."""

    sent = True
    connecting = False


_departure = _Departure()


class _Tracked(BaseConnection):
    def connect(self) -> None:
        _departure.connecting = True
        try:
            super().connect()
        finally:
            _departure.connecting = False

    def send(self, data: bytes) -> None:  # type: ignore[override]
        if self.sock is None and self.auto_open:
            self.connect()
        if not _departure.connecting:
            _departure.sent = True
        super().send(data)


class _TrackedConnection(_Tracked, HTTPConnection):
    pass


class _TrackedTLSConnection(_Tracked, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _TrackedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TrackedTLSConnection


_POOLS = {"http": _Pool, "https": _TLSPool}


class TrackingAdapter(HTTPAdapter):
    """A requests adapter whose exceptions carry `request_sent`: False when certainly nothing of it had left.

    No exception class can tell: a proxy's error may come after it forwarded the request, and a time-out before
    the request was sent. Through a SOCKS proxy every request counts as sent.
    """

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: object) -> None:
        """Let the pools make connections that watch what they send."""
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: object) -> ProxyManager:
        """Let the pools of a proxy do so too."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        if not _is_socks(proxy):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: requests.PreparedRequest, *args: object, **options: object) -> requests.Response:
        """Send `request`; an exception on the way says whether it had left."""
        proxies = options.get("proxies")
        _departure.sent = _is_socks(select_proxy(request.url or "", proxies if isinstance(proxies, dict) else {}))
        try:
            return super().send(request, *args, **options)  # type: ignore[arg-type]
        except BaseException as error:
            vars(error)["request_sent"] = _departure.sent
            raise


def _is_socks(proxy: str | None) -> bool:
    return proxy is not None and proxy.lower().startswith("socks")


@attrs.define(eq=False)
class _OpenConnections:
    """The sockets of one process; after a fork the child must not touch its parent's."""

    monotonic: Callable[[], float]
    http: requests.Session
    pid: int = attrs.field(factory=os.getpid)
    lock: threading.Lock = attrs.field(factory=threading.Lock)
    in_flight: int = 0
    last_used: float = 0.0

    def enter(self) -> None:
        with self.lock:
            if self.in_flight == 0 and self.monotonic() - self.last_used > MAX_IDLE_SECONDS:
                self.http.close()
            self.in_flight += 1

    def leave(self) -> None:
        with self.lock:
            self.in_flight -= 1
            self.last_used = self.monotonic()


class Connections:
    """The connections that a session and its siblings share: kept alive, one set per process.

    Args:
        monotonic: Tells the time in seconds, to know how long they have been idle.
        http: The caller's own `requests.Session`, used as it is, in whatever process.
    """

    def __init__(self, monotonic: Callable[[], float], http: requests.Session | None = None) -> None:
        self._own = http is None
        self._open = _OpenConnections(monotonic, http or _requests_session())

    @contextmanager
    def use(self) -> Iterator[requests.Session]:
        """Lend the `requests.Session` for one request."""
        if self._own and self._open.pid != os.getpid():
            self._open = _OpenConnections(self._open.monotonic, _requests_session())
        connections = self._open
        connections.enter()
        try:
            yield connections.http
        finally:
            connections.leave()

    def close(self) -> None:
        """Drop our own sockets; a later request opens new ones."""
        if self._own:
            self._open.http.close()


_MANY_ADDRESSES = 100
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_LOOKED_FOR = (*_PROXIES, *map(str.upper, _PROXIES), "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUEST_METHOD")


class _RequestsSession(requests.Session):
    """A session to which a redirect is an answer like any other, neither followed nor read ahead."""

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

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


def _requests_session() -> requests.Session:
    http = _RequestsSession()
    adapter = TrackingAdapter(pool_maxsize=POOL_SIZE)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    http.headers["User-Agent"] = _user_agent()
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    http.auth = lambda request: request  # or requests would send a password that .netrc has for the host
    return http


def _user_agent() -> str:
    try:
        return f"b24batch/{version('b24batch')}"
    except PackageNotFoundError:
        return "b24batch"


def body_of(
    response: requests.Response, monotonic: Callable[[], float], *, began: float, deadline: float, most: float
) -> bytes:
    """Return the decoded body of a streamed answer.

    Args:
        response: The answer, of which only the head has been read.
        monotonic: Tells the time in seconds.
        began: When the request did.
        deadline: Seconds that the answer may take from then on, looked at as its parts arrive.
        most: Bytes that it may have.

    Raises:
        AnswerLost: It took longer, or had more.
    """
    parts, size = [], 0
    while part := response.raw.read1(65536, decode_content=True):
        parts.append(part)
        size += len(part)
        if monotonic() > began + deadline:
            raise AnswerLost(f"the answer took over {deadline} s", http_status=response.status_code)
        if size > most:
            raise AnswerLost(f"the answer had over {most} bytes", http_status=response.status_code)
    return b"".join(parts)


def transport_error(error: Exception, request_id: str | None = None) -> TransportError:
    """Return what `error`, raised below requests, means for the request; its own text may hold the address."""
    causes = ", ".join([type(error).__name__, *_causes(error)])
    malformed = isinstance(error, InvalidURL | MissingSchema | InvalidSchema | LocationValueError)
    if vars(error).get("request_sent", True) and not malformed:
        return AnswerLost(f"the answer was lost: {causes}", request_id=request_id)
    if malformed:
        return NotSent(f"the address or the proxy's cannot be used: {causes}", code="BAD_ADDRESS")
    # A plain OSError is requests' way to say that there is no such CA bundle.
    if type(error) is OSError or any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error)):
        return NotSent(f"the certificate cannot be checked, or is not trusted: {causes}", code="BAD_CERTIFICATE")
    return NotSent(f"the request was not sent: {causes}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    inner: object = error
    for _ in range(10):
        if not isinstance(inner, BaseException):
            return
        yield inner
        wrapped = next((part for part in inner.args if isinstance(part, BaseException)), None)
        inner = getattr(inner, "reason", None) or wrapped or inner.__cause__ or inner.__context__


def _causes(error: BaseException) -> list[str]:
    """What the operating system said, which no address is part of."""
    return [cause.strerror for cause in _chain(error) if isinstance(cause, OSError) and cause.strerror][-1:]

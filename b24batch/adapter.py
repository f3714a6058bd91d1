"""The adapter that knows whether a request left this machine, and what its errors mean."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection as BaseConnection

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import LocationValueError

from b24batch.errors import AnswerLost, NotSent, TransportError


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

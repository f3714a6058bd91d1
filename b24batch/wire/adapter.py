"""A requests adapter that tracks whether a request was sent, enforces its deadline, and never mixes up two answers."""

from __future__ import annotations

import socket
from functools import partial
from queue import LifoQueue
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from b24batch.wire.delivery import get_delivery, get_time_left
from b24batch.wire.faults import find_foreign_exception
from b24batch.wire.idle import Idle
from b24batch.wire.peers import refuse_private, refuse_private_peer
from b24batch.wire.response import Response, limit

#: Bytes up to which the parts of a request are copied together, to travel as one packet.
_SMALL = 65536


def _pass_on_foreign(error: Exception) -> None:
    """If a network error hides an exception that other code raised, such as a signal handler, raise that one."""
    foreign = find_foreign_exception(error)
    if foreign is not None:
        raise foreign


class _Connection(HTTPConnection):
    """A connection that records in the request's delivery when its first byte is sent."""

    _connecting = False
    _interrupt: BaseException | None = None
    _unsent: list[bytes]

    @property
    def response_class(self) -> Any:  # type: ignore[override]
        """The factory for the responses of this connection."""
        return partial(Response, self)

    def connect(self) -> None:
        """Connect; bytes sent to a proxy or in a TLS handshake are not part of the request."""
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def _new_conn(self) -> socket.socket:
        """Try the host's addresses in turn, all within the time that is left for the request."""
        host, timeout = self._dns_host, self.timeout
        try:
            *others, last = self._look_up(host)
            for address in others:
                try:
                    return self._connect_to(address, timeout)
                except (ConnectTimeoutError, NewConnectionError) as error:
                    _pass_on_foreign(error)
            return self._connect_to(last, timeout)
        finally:
            self._dns_host, self.timeout = host, timeout

    def _connect_to(self, address: str, timeout: float | None) -> socket.socket:
        public_only = self._is_public_only(timeout)
        if public_only:
            refuse_private(self, address)
        self._dns_host, self.timeout = address, get_time_left(timeout)
        sock = super()._new_conn()
        try:
            if public_only:
                refuse_private_peer(self, sock)
            sock.settimeout(get_time_left(timeout))  # for a handshake
        except BaseException:
            sock.close()
            raise
        return sock

    def _is_public_only(self, timeout: float | None) -> bool:
        """Return whether this connection may only lead to a public address; what a proxy connects to is its affair."""
        delivery = get_delivery(timeout)
        return delivery is not None and delivery.public_only and self.proxy is None

    def _look_up(self, host: str) -> list[str]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            return [host]  # urllib3 looks it up again and reports the error
        return [str(address[0]) for *_, address in found]

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request, its small parts together."""
        self._interrupt, self._unsent = None, []
        if self.sock is not None and self._is_public_only(self.timeout):
            refuse_private_peer(self, self.sock)  # other credentials may have opened the connection
        try:
            super().request(*args, **options)
            self._flush()
        except OSError as error:
            self._interrupt = find_foreign_exception(error)  # urllib3 drops it if it looks like a closed pipe
            raise

    def getresponse(self) -> Any:
        """Return the response, or raise what interrupted the request."""
        if self._interrupt is not None:
            raise self._interrupt
        return super().getresponse()

    def send(self, data: Any) -> None:
        """Send data for a proxy at once; collect small parts of a request and send them as one packet."""
        if self.sock is None and self.auto_open:
            self.connect()
        if self._connecting:
            self._transmit(data)
        elif len(data) <= _SMALL:
            self._unsent.append(data)
        else:
            self._flush()
            self._transmit(data)

    def _flush(self) -> None:
        unsent, self._unsent = b"".join(self._unsent), []
        delivery = get_delivery(self.timeout)
        if delivery is not None:
            delivery.sent = True
        self._transmit(unsent)

    def _transmit(self, data: bytes) -> None:
        unsent = memoryview(data)
        while unsent:
            limit(self.sock, self.timeout)
            unsent = unsent[self.sock.send(unsent) :]


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def __init__(self, *args: Any, **options: Any) -> None:
        self.QueueCls: Any = LifoQueue if options.get("block") else Idle
        super().__init__(*args, **options)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS: dict[str, type] = {"http": _Pool, "https": _TLSPool}


class TrackingAdapter(HTTPAdapter):
    """A requests adapter that tracks whether any byte of a request was sent, and ends the request at its deadline.

    The class of an exception does not show whether it was sent: a proxy may report an error after it forwarded the
    request, and a timeout may come before. Limits: through a SOCKS proxy every request counts as sent, and the
    deadline is checked only between the parts of an answer.
    """

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        """Create the pools, whose connections track what they send."""
        super().init_poolmanager(*sizes, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: object) -> ProxyManager:
        """Return the pools for a proxy; unless it is a SOCKS proxy, their connections track what they send."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        if not _is_socks(proxy):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: requests.PreparedRequest, *args: object, **options: object) -> requests.Response:
        """Send `request`; the delivery in its timeouts records when it is sent."""
        delivery = get_delivery(options.get("timeout"))
        if delivery is not None:
            proxies = options.get("proxies")
            delivery.sent = _is_socks(select_proxy(str(request.url), proxies if isinstance(proxies, dict) else {}))
        return super().send(request, *args, **options)  # type: ignore[arg-type]


def _is_socks(proxy: str | None) -> bool:
    return proxy is not None and proxy.lower().startswith("socks")

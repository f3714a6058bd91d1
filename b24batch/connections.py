"""Connections: what the requests of a session and its siblings travel on, one set for each process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import attrs
import requests

from b24batch.adapter import TrackingAdapter
from b24batch.addresses import is_loopback
from b24batch.encoding import JsonValue

#: Threads that can share one session without a connection being thrown away.
POOL_SIZE = 32
#: Below the keep-alive limit of usual servers: a socket closed there while a request leaves costs its answer.
MAX_IDLE_SECONDS = 10.0


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

"""The library's own HTTP client on top of requests: prepares each address and reads the environment only once."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import requests
from requests.utils import default_headers

from b24batch.aliases import JsonValue
from b24batch.wire.adapter import TrackingAdapter
from b24batch.wire.addresses import is_loopback
from b24batch.wire.messages import Post

#: Threads that can share one session without dropping connections.
POOL_SIZE = 32
_MANY_ADDRESSES = 100
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_LOOKED_FOR = (*_PROXIES, *map(str.upper, _PROXIES), "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUEST_METHOD")


class OwnHttp:
    """Sends requests through an adapter: follows no redirects, reads no body ahead, and keeps nothing of an answer.

    A `requests.Session` would handle cookies, look for a password in .netrc, and read the body of a redirect.
    """

    def __init__(self) -> None:
        self._adapter = TrackingAdapter(pool_maxsize=POOL_SIZE)
        self._settings: dict[tuple[str | None, ...], dict[str, JsonValue]] = {}
        self._prepared: dict[tuple[str, str], requests.PreparedRequest] = {}

    def prepare(self, post: Post) -> Callable[..., requests.Response]:
        """Return a function that sends a request; it takes the timeouts."""
        prepared = self._get_template(post.verb, post.url).copy()
        prepared.prepare_body(post.data, None)
        prepared.headers.update(post.headers)
        return functools.partial(self._adapter.send, prepared, **self._read_environment(post.url))

    def close(self) -> None:
        """Close the sockets."""
        self._adapter.close()

    def _get_template(self, verb: str, url: str) -> requests.PreparedRequest:
        template = self._prepared.get((verb, url))
        if template is None:
            if len(self._prepared) > _MANY_ADDRESSES:
                self._prepared.clear()
            template = requests.Request(verb, url, {**default_headers(), "User-Agent": _user_agent()}).prepare()
            self._prepared[verb, url] = template
        return template

    def _read_environment(self, url: str) -> dict[str, JsonValue]:
        """Return proxies and certificates; look them up again only if the environment has changed."""
        address = urlsplit(url)
        key = (address.scheme, address.netloc, *map(os.environ.get, _LOOKED_FOR))
        settings = self._settings.get(key)
        if settings is None:
            settings = requests.Session().merge_environment_settings(url, {}, None, None, None)
            if is_loopback(address.netloc):  # credentials may go to this machine without https, but not to a proxy
                settings["proxies"] = {}
            self._settings = {key: settings}
        return settings


@functools.cache
def _user_agent() -> str:
    try:
        return f"b24batch/{version('b24batch')}"
    except PackageNotFoundError:
        return "b24batch"

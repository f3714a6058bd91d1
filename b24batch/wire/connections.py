"""Connections: the HTTP connections of a session and its siblings, one set per process."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

import requests
from urllib3.exceptions import HTTPError

from b24batch.errors import SdkError
from b24batch.wire.delivery import Delivery
from b24batch.wire.faults import find_foreign_exception, make_transport_error
from b24batch.wire.messages import Post, Reply, read_reply
from b24batch.wire.own_http import OwnHttp

#: Below the usual keep-alive limit of servers: a socket that the server closes during a request costs the answer.
MAX_IDLE_SECONDS = 10.0


class Connections:
    """The connections that a session and its siblings share: kept alive, one set per process.

    Args:
        monotonic: Returns the time in seconds.
        http: Your own `requests.Session`, used as it is in every process; default None, the library's own.
    """

    def __init__(self, monotonic: Callable[[], float], http: requests.Session | None = None) -> None:
        self._monotonic = monotonic
        self._given = http
        self._own = OwnHttp()
        self._pid = os.getpid()
        self._last_used = monotonic()
        self._on_way: set[Delivery] = set()

    def post(self, post: Post) -> Reply:
        """Send a request and return the reply, whatever its status.

        Raises:
            NotSent: No byte was sent.
            AnswerLost: The request may have been sent, and no complete answer came in time.
            BaseException: Any exception that is not a network error, such as Ctrl-C; its `request_sent` tells whether
                the request may have been sent.
        """
        delivery, outer = Delivery(self._monotonic, post.deadline, post.public_only), sys.exception()
        response: requests.Response | None = None
        failure: BaseException
        try:
            self._on_way.add(delivery)
            response = self._prepare(post, delivery)(stream=True, timeout=delivery.make_timeouts(*post.timeout))
            return read_reply(response, delivery, post)
        except SdkError as error:
            failure = error
        except (requests.RequestException, HTTPError, OSError, ValueError) as fault:
            status = getattr(response, "status_code", None)
            failure = find_foreign_exception(fault, outer) or make_transport_error(fault, delivery, status)
        except BaseException as interrupt:
            failure = interrupt
        finally:
            response, self._last_used = None, self._monotonic()
            self._on_way.discard(delivery)
        if not isinstance(failure, SdkError):
            self._renew()  # the exception may have come at any point, even inside urllib3's pool
            failure.__context__ = None
            vars(failure)["request_sent"] = delivery.sent
        # The frames of the traceback so far hold the address, and the text of the context may contain it.
        raise failure.with_traceback(None)

    def _prepare(self, post: Post, delivery: Delivery) -> Callable[..., requests.Response]:
        if self._given is not None:
            hooks = {"response": [*map(_keep_apart, self._given.hooks["response"]), _hide_redirect]}
            verb = self._given.get if post.verb == "GET" else self._given.post
            send = functools.partial(verb, post.url, allow_redirects=False, hooks=hooks)
            return functools.partial(send, data=post.data, headers=post.headers)
        if self._is_idle(delivery) or self._pid != os.getpid():
            self._renew()
        return self._own.prepare(post)

    def _is_idle(self, delivery: Delivery) -> bool:
        """Return whether nothing was sent before `delivery` for so long that a server may have closed the sockets."""
        idle = self._monotonic() - self._last_used
        return idle > MAX_IDLE_SECONDS and all(other.is_late for other in list(self._on_way) if other is not delivery)

    def _renew(self) -> None:
        """Start with new sockets; the old ones stay open for other threads and for a parent process."""
        self._own = OwnHttp()
        if self._pid != os.getpid():
            self._pid, self._on_way = os.getpid(), set()

    def close(self) -> None:
        """Close the library's own sockets; a later request opens new ones."""
        self._own.close()


def _keep_apart(hook: Callable[..., object]) -> Callable[..., object]:
    """Return a hook whose errors from another portal do not tell whether this request was sent."""

    @functools.wraps(hook, updated=())
    def call(response: requests.Response, **options: object) -> object:
        """Call the hook."""
        try:
            return hook(response, **options)
        except SdkError as error:
            failure = requests.RequestException(f"a response hook got {type(error).__name__}")
        raise failure

    return call


def _hide_redirect(response: requests.Response, **_options: object) -> None:
    """Keep requests from reading a redirect's whole body, which it does even if it follows no redirects."""
    response.headers.pop("Location", None)

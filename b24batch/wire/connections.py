"""Connections: what the requests of a session and its siblings travel on, one set for each process."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

import requests
from urllib3.exceptions import HTTPError

from b24batch.errors import SdkError
from b24batch.wire.delivery import Delivery
from b24batch.wire.faults import foreign_exception, transport_error
from b24batch.wire.messages import Post, Reply, read_reply
from b24batch.wire.own_http import OwnHttp

#: Below the keep-alive limit of usual servers: a socket closed there while a request leaves costs its answer.
MAX_IDLE_SECONDS = 10.0


class Connections:
    """The connections that a session and its siblings share: kept alive, one set per process.

    Args:
        monotonic: Tells the time in seconds.
        http: The caller's own `requests.Session`, used as it is, in whatever process.
    """

    def __init__(self, monotonic: Callable[[], float], http: requests.Session | None = None) -> None:
        self._monotonic = monotonic
        self._given = http
        self._own = OwnHttp()
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
        delivery, outer = Delivery(self._monotonic, post.deadline), sys.exception()
        response: requests.Response | None = None
        try:
            response = self._sender(post)(stream=True, timeout=delivery.timeouts(*post.timeout))
            return read_reply(response, delivery, post.max_answer)
        except SdkError as error:
            failure: BaseException = error
        except (requests.RequestException, HTTPError, OSError, ValueError) as fault:
            failure = foreign_exception(fault, outer) or transport_error(fault, delivery, _status_of(response))
        except BaseException as interrupt:
            failure = interrupt
        finally:
            response, self._last_used = None, self._monotonic()
        if not isinstance(failure, SdkError):
            self._renew()  # the exception may have come at any instant, inside urllib3's pool for one
            failure.__context__ = None
            vars(failure)["request_sent"] = delivery.sent
        # The frames of its traceback so far hold the address, and its context may have it in its text.
        raise failure.with_traceback(None)

    def _sender(self, post: Post) -> Callable[..., requests.Response]:
        if self._given is not None:
            hooks = {"response": [*self._given.hooks["response"], _hide_redirect]}
            send = functools.partial(self._given.post, post.url, allow_redirects=False, hooks=hooks)
            return functools.partial(send, data=post.data, headers=post.headers)
        if self._monotonic() - self._last_used > MAX_IDLE_SECONDS or self._pid != os.getpid():
            self._renew()
        return self._own.sender(post)

    def _renew(self) -> None:
        """Begin with new sockets; the old ones are left to those who use them, and to a parent process."""
        self._own, self._pid = OwnHttp(), os.getpid()

    def close(self) -> None:
        """Drop our own sockets; a later request opens new ones."""
        self._own.close()


def _hide_redirect(response: requests.Response, **options: object) -> None:
    """Keep requests from reading a redirect to its end, however large, as it does even when it follows none."""
    del options
    response.headers.pop("Location", None)


def _status_of(response: requests.Response | None) -> int | None:
    return None if response is None else response.status_code

"""A Bitrix24 portal on loopback, for demos and tests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar, Unpack

from b24batch.sandbox.clocks import Clock, FakeClock, SystemClock
from b24batch.sandbox.faults.plans import Plan, Planned, fault_of
from b24batch.sandbox.journal import Executed, Journal, Request
from b24batch.sandbox.methods import all as methods
from b24batch.sandbox.oauth.portal import OAuthPortal
from b24batch.sandbox.oauth.server import ROOT, OAuthServer
from b24batch.sandbox.oauth.tokens import Tokens
from b24batch.sandbox.php.values import JSON
from b24batch.sandbox.rest.credentials import CODE, USER
from b24batch.sandbox.rest.dispatcher import Dispatcher, Handler
from b24batch.sandbox.rest.front import Front
from b24batch.sandbox.rest.operating import OperatingTime
from b24batch.sandbox.rest.rate import RateBucket
from b24batch.sandbox.server.answers import Answer, PortalError
from b24batch.sandbox.server.incoming import Wire
from b24batch.sandbox.server.server import Server

if TYPE_CHECKING:
    from b24batch.options import Options
    from b24batch.session import Session
    from b24batch.wire.auth import Auth

_H = TypeVar("_H", bound=Handler)


class Portal(OAuthPortal):
    """A portal with a store of its own, reachable by one webhook URL while the ``with`` block lasts.

    One application is registered in it, which may call the same methods with OAuth 2.0.

    Args:
        clock: Anything with ``monotonic()``, ``time()`` and ``sleep(seconds)``; default the machine's time.  With a
            `FakeClock` shared with the client nobody really waits.
        record: Keep `requests` and `executed`; switch it off for very long runs.
        rate: ``(capacity, leak_rate)`` of the bucket for requests, in requests and requests per second; a
            request over it is answered 503 ``QUERY_LIMIT_EXCEEDED`` and does nothing.  Default no limit.
        operating_limit: Seconds of operating time that each method may use in 600 seconds; see `cost`.
            Default no limit, and no ``operating`` in the ``time`` blocks.
        port: The TCP port on 127.0.0.1; 0 takes a free one.

    """

    def __init__(
        self,
        clock: Clock | None = None,
        record: bool = True,
        rate: tuple[float, float] | None = None,
        operating_limit: float | None = None,
        *,
        port: int = 0,
    ) -> None:
        """Prepare the portal with its built-in methods; nothing is bound yet."""
        self._real_clock = SystemClock()
        self._port = port
        self._server: Server | None = None
        self._closed = threading.Event()
        self._limits = record, rate, operating_limit
        self._furnish(clock)

    def _furnish(self, clock: Clock | None) -> None:
        """Put everything that changes in, as new."""
        record, rate, operating_limit = self._limits
        self._given_clock = clock
        self._journal = Journal(record)
        self._plans = {"rest": Plan(self._pause), "token": Plan(self._pause)}
        time = self.clock
        tokens = Tokens(time.time)
        self._oauth = OAuthServer(tokens, self._journal, self._plans["token"], self._origin)
        self._operating = OperatingTime(operating_limit, time.time)
        self._dispatcher = Dispatcher(time, self._journal, self._operating)
        bucket = RateBucket(*rate, time.monotonic) if rate else None
        self._front = Front(self._journal, self._dispatcher, self._plans["rest"], bucket, tokens)
        methods.install(self._dispatcher)

    @property
    def clock(self) -> Clock:
        """The time the portal lives in."""
        return self._given_clock or self._real_clock

    @property
    def url(self) -> str:
        """The webhook URL; the code in it never changes, so with a fixed port neither does the URL.

        Raises:
            RuntimeError: The portal has not been started.
        """
        return f"{self._origin()}/rest/{USER}/{CODE}/"

    def _origin(self) -> str:
        if not self._port:
            raise RuntimeError("the portal has no address before it is started")
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[Request]:
        """Every HTTP request received, in order."""
        return self._journal.requests

    @property
    def executed(self) -> list[Executed]:
        """Every command that took effect, in order; reads too, commands of batches too, not ``batch``."""
        return self._journal.executed

    def session(self, auth: Auth | None = None, /, **options: Unpack[Options]) -> Session:
        """Return a `Session` of this portal: no rate limit, the clock given to it, unless told otherwise.

        It calls with the credentials ``auth``, such as those of `oauth`; default the webhook.
        """
        from b24batch.session import Session

        options.setdefault("limits", None)
        if self._given_clock is not None:
            options.setdefault("clock", self._given_clock)
        return Session(self.url if auth is None else auth, **options)

    def method(self, name: str) -> Callable[[_H], _H]:
        """Register a function as a method, or in the place of a built-in one.

        The function gets the decoded params and returns a JSON value or a `Page`, or raises `PortalError`.
        The params are a dict whose keys are int or str as PHP has them (``"7"`` is 7); inside it maps with
        the keys 0..n-1 are lists, empty ones too.  ``start`` is not among them, but is their attribute
        ``params.start``.  Functions are called one at a time.  Any other exception ends the request with
        500 and HTML, and is printed.
        """

        def register(handler: _H) -> _H:
            self._dispatcher.add(name, handler)
            return handler

        return register

    def fail_next(
        self,
        fault: str | PortalError | Answer | Callable[[], object],
        *,
        times: int = 1,
        after: int = 0,
        seconds: float | None = None,
        commands: int = 1,
        endpoint: Literal["rest", "token"] = "rest",
    ) -> None:
        """Let coming requests fail.

        Args:
            fault: A name in `FAULTS`; ``help("b24batch.sandbox.faults.table")`` tells what each does.  Or a
                `PortalError`, which is answered with its status, nothing executed.  Or an `Answer`, which is
                sent in the place of the real one, after execution.  Or a function that is called before the
                request is executed as usual: with `execute` in it, rows change while somebody reads them.
            times: How many requests it meets.
            after: How many requests pass before.
            seconds: How long ``slow`` and each pause of ``drip`` last by the portal's clock; None is their default.
            commands: How many commands are executed before the portal ``dies``.
            endpoint: ``"token"`` is for requests to `token_url`; a code or a refresh token is used up by those that
                are executed.  The requests of the other endpoint pass uncounted.

        Raises:
            ValueError: There is no such fault or endpoint, or a number is negative.
        """
        if endpoint not in self._plans:
            raise ValueError(f"an endpoint is one of {', '.join(self._plans)}, not {endpoint!r}")
        found = fault_of(fault)
        lasting = found.seconds if seconds is None else seconds
        self._plans[endpoint].add(Planned(found, times, after, lasting, commands))

    def cost(self, method: str, seconds: float) -> None:
        """Let every call of a method count so many seconds of operating time; no time passes for it."""
        self._operating.cost(method, seconds)

    def execute(self, method: str, params: dict[str, JSON] | None = None) -> JSON:
        """Run a method in the portal, without HTTP and at any moment, and return its result or its error object."""
        envelope = self._dispatcher.call(method, params or {})[1]
        return envelope.get("result", envelope)

    def start(self) -> Self:
        """Bind the port and serve in the background; a closed portal can start again at its address."""
        if self._server is None:
            self._resume()
            self._server = Server(self._port, self._respond, self._pause)
            self._port = self._server.server_port
            self._server.start()
        return self

    def close(self) -> None:
        """Close every connection and end every thread; what is stored and recorded stays."""
        server, self._server = self._server, None
        self._interrupt()
        if server is not None:
            server.stop()

    def clear(self, clock: Clock | None = None) -> None:
        """Make the portal as new, at the same address and with the same limits; open connections are closed.

        What is stored, recorded and planned, methods of one's own, costs and tokens are gone, and IDs begin at 1.

        Args:
            clock: The time it lives in from now on; default the one it has.

        """
        self._interrupt()
        if self._server is not None:
            self._server.hang_up()
            self._resume()
        self._furnish(clock or self._given_clock)

    def _interrupt(self) -> None:
        """End all pauses."""
        self._closed.set()
        self._real_clock.wake()

    def _resume(self) -> None:
        """Let pauses last again."""
        self._closed.clear()
        self._real_clock.rest()

    def _respond(self, wire: Wire) -> Answer:
        return (self._oauth if wire.target.startswith(ROOT) else self._front).respond(wire)

    def _pause(self, seconds: float) -> bool:
        """Let seconds pass, fewer when the portal closes, and return whether it is still open."""
        if isinstance(self.clock, FakeClock):
            self.clock.wait(self._closed, seconds)
        else:
            self.clock.sleep(seconds)
        return not self._closed.is_set()

    def serve_forever(self) -> None:
        """Serve in the foreground until Ctrl-C, or until another thread calls `close`."""
        with contextlib.suppress(KeyboardInterrupt), self:
            # A wait without an end cannot be interrupted everywhere.
            while not self._closed.wait(1.0):
                pass

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

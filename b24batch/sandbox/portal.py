"""A Bitrix24 portal on loopback, for demos and tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar, Unpack

from b24batch.sandbox.application.pages import Pages
from b24batch.sandbox.application.portal import ApplicationPortal
from b24batch.sandbox.application.state import Application
from b24batch.sandbox.clocks import Clock
from b24batch.sandbox.faults.plans import Plan, Planned, to_fault
from b24batch.sandbox.journal import Executed, Journal, Request
from b24batch.sandbox.methods import all as methods
from b24batch.sandbox.methods.offline_events import OfflineEvents
from b24batch.sandbox.oauth.server import ROOT, OAuthServer
from b24batch.sandbox.oauth.tokens import Tokens
from b24batch.sandbox.php.values import JSON
from b24batch.sandbox.rest.credentials import CODE, USER
from b24batch.sandbox.rest.dispatcher import Dispatcher, Handler
from b24batch.sandbox.rest.front import Front
from b24batch.sandbox.rest.links import Links
from b24batch.sandbox.rest.operating import OperatingTime
from b24batch.sandbox.rest.rate import RateBucket
from b24batch.sandbox.server.answers import Answer, PortalError
from b24batch.sandbox.server.incoming import Wire
from b24batch.sandbox.serving import Serving

if TYPE_CHECKING:
    from b24batch.options import Options
    from b24batch.session import Session
    from b24batch.wire.auth import Auth

_H = TypeVar("_H", bound=Handler)


class Portal(Serving, ApplicationPortal):
    """A fake portal with its own data. It serves its webhook `url` during the ``with`` block.

    It also has one OAuth 2.0 application, which can call the same methods.

    Args:
        clock: An object with ``monotonic()``, ``time()`` and ``sleep(seconds)``; default the machine's time. If the
            portal and its clients share a `FakeClock`, waits take no time.
        record: Whether to record `requests` and `executed`; set it to False for very long runs. Default True.
        rate: ``(capacity, leak_rate)`` of the rate limit, in requests and requests per second. A request over the
            limit is answered 503 ``QUERY_LIMIT_EXCEEDED`` and not executed. Default None, no limit.
        operating_limit: Seconds of operating time that each method may use in 600 seconds; see `cost`. Default None:
            no limit, and no ``operating`` in the ``time`` blocks.
        port: The TCP port on 127.0.0.1; default 0, any free port.
        region: The portal's region, such as ``ru`` or ``de``: tokens and forms then name the OAuth server that Bitrix24
            has for it, which the portal plays at `token_urls`. Default None: they name the portal itself.

    """

    def __init__(
        self,
        clock: Clock | None = None,
        record: bool = True,
        rate: tuple[float, float] | None = None,
        operating_limit: float | None = None,
        *,
        port: int = 0,
        region: str | None = None,
    ) -> None:
        """Create the portal with its built-in methods; `start` binds the port."""
        super().__init__(clock, port)
        self._limits = record, rate, operating_limit
        self._region = region
        self._furnish()

    def _furnish(self) -> None:
        """Set all state to its initial values."""
        record, rate, operating_limit = self._limits
        self._journal = Journal(record)
        self._plans = {"rest": Plan(self._pause), "token": Plan(self._pause)}
        time = self.clock
        tokens = Tokens(time.time)
        self._oauth = OAuthServer(tokens, self._journal, self._plans["token"], self._origin, self._region)
        self._operating = OperatingTime(operating_limit, time.time)
        dispatcher = self._dispatcher = Dispatcher(time, self._journal, self._operating)
        application = self._application = Application()
        bucket = RateBucket(*rate, time.monotonic) if rate else None
        links = Links(self._origin, dispatcher)
        self._front = Front(self._journal, dispatcher, self._plans["rest"], bucket, tokens, links)
        dispatcher.add_when_needed(lambda: methods.install(dispatcher, links, application))
        self._pages = Pages(self, application, dispatcher)
        self._offline = OfflineEvents(time.time)
        self._offline.install(dispatcher)

    @property
    def url(self) -> str:
        """The webhook URL. Its code never changes, so with a fixed ``port`` the URL is always the same.

        Raises:
            RuntimeError: The portal has not been started.
        """
        return f"{self._origin()}/rest/{USER}/{CODE}/"

    @property
    def requests(self) -> list[Request]:
        """All HTTP requests received, in order."""
        return self._journal.requests

    @property
    def executed(self) -> list[Executed]:
        """All commands that took effect, in order, including reads and the commands of batches, but not ``batch``."""
        return self._journal.executed

    def session(self, auth: Auth | None = None, /, **options: Unpack[Options]) -> Session:
        """Return a `Session` for this portal.

        Args:
            auth: The credentials, such as those that `oauth` returns; default the webhook.
            options: Options of the session. ``limits`` is None by default, and ``clock`` is the clock that was passed
                to the portal.
        """
        from b24batch.session import Session

        options.setdefault("limits", None)
        if self._given_clock is not None:
            options.setdefault("clock", self._given_clock)
        return Session(self.url if auth is None else auth, **options)

    def method(self, name: str) -> Callable[[_H], _H]:
        """Return a decorator that registers a function as a method; it may replace a built-in method.

        The function gets the decoded params and returns a JSON value or a `Page`, or raises `PortalError`. Any other
        exception is printed, and the request is answered with 500 and HTML. Functions are called one at a time.

        The params are a dict whose keys are int or str, as in PHP (``"7"`` is 7). Inside it, maps with the keys 0..n-1
        are lists, and so are empty maps. ``start`` is not a key, but the attribute ``params.start``.
        """

        def register(handler: _H) -> _H:
            """Register the function, and return it."""
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
        """Make upcoming requests fail.

        Args:
            fault: A name in `FAULTS`; ``help("b24batch.sandbox.faults.table")`` describes each. Or a `PortalError`,
                which is answered with its status, without executing anything. Or an `Answer`, which is sent instead
                of the real one, after execution. Or a function, which is called before the request is executed as
                usual; it can call `execute`, for example to change rows while a client reads them.
            times: How many requests to affect; default 1.
            after: How many requests to let pass first; default 0.
            seconds: The delay of ``slow``, and of each byte of ``drip``, by the portal's clock; default None, the
                fault's own default.
            commands: How many commands to execute before the connection closes, for ``dies``; default 1.
            endpoint: ``"rest"`` (default) or ``"token"``, which affects requests to `token_url`. Requests to the other
                endpoint are not counted. Token requests that are executed use up their code or refresh token.

        Raises:
            ValueError: The fault or the endpoint is unknown, or a number is negative.
        """
        if endpoint not in self._plans:
            raise ValueError(f"endpoint is invalid: expected one of {', '.join(self._plans)}, got {endpoint!r}")
        found = to_fault(fault)
        lasting = found.seconds if seconds is None else seconds
        self._plans[endpoint].add(Planned(found, times, after, lasting, commands))

    def cost(self, method: str, seconds: float) -> None:
        """Set the operating time in seconds that each call of a method counts; the clock does not advance."""
        self._operating.cost(method, seconds)

    def execute(self, method: str, params: dict[str, JSON] | None = None) -> JSON:
        """Run a method in the portal without HTTP, at any time, and return its result or its error object."""
        envelope = self._dispatcher.call(method, params or {})[1]
        return envelope.get("result", envelope)

    def queue_event(self, event: str, data: JSON = None, *, user_id: int = 1) -> None:
        """Put an event such as ``ONCRMDEALADD`` into the queue of ``event.offline.get``, as if it was bound offline."""
        self._offline.put(event, data, user_id)

    def clear(self, clock: Clock | None = None) -> None:
        """Reset the portal to a new one at the same address, with the same limits; open connections are closed.

        All data, records, planned faults, registered methods, costs and tokens are removed, and IDs start at 1.

        Args:
            clock: The new clock; default the present one.

        """
        self._hang_up()
        self._given_clock = clock or self._given_clock
        self._furnish()

    def _respond(self, wire: Wire) -> Answer:
        show_page = self._pages.find(wire)
        if show_page is not None:
            return show_page()
        return (self._oauth if wire.target.startswith(ROOT) else self._front).respond(wire)

"""The way to the portal: one POST that is waited for, sent, read, and sent again where that is safe."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import attrs

from b24batch.aliases import WireParams
from b24batch.clock import Clock, Wait
from b24batch.errors import AnswerLost, ExpiredToken, RateLimited, SdkError
from b24batch.wire.answers import Answer, HttpAnswer
from b24batch.wire.auth import Access, Auth, Renewal, with_max_wait
from b24batch.wire.connections import Connections, Post
from b24batch.wire.rate import LeakyBucket
from b24batch.wire.retries import RetryPolicy

_log = logging.getLogger("b24batch")
_MOST_RENEWALS = 2


@attrs.frozen(eq=False)
class Transport:
    """Sends requests to one portal; times are seconds.

    Attributes:
        auth: Where the portal is and with what secret it is called.
        connections: What the requests travel on.
        limits: The rate that is kept; None for none.
        retries: Whether and when a request is sent again.
        clock: Where time comes from.
        timeout: To connect, and between two bytes of an answer.
        deadline: For a whole request, from its first byte to the last of its answer.
        max_answer: The most bytes that a decoded answer may have.
        max_wait: For any single wait, whatever its reason; None for no bound.
        on_wait: Told of every wait before it begins; None for nobody.
    """

    auth: Auth
    connections: Connections
    limits: LeakyBucket | None
    retries: RetryPolicy
    clock: Clock
    timeout: tuple[float, float]
    deadline: float
    max_answer: int
    max_wait: float | None
    on_wait: Callable[[Wait], None] | None

    def call(self, method: str, params: WireParams, *, request_id: str, repeatable: bool, commands: int = 1) -> Answer:
        """Return the portal's answer to one request, sent again where that is safe.

        Args:
            method: The method to call, ``batch`` or another.
            params: The body.
            request_id: Goes out as ``X-Request-ID``, the same for every attempt.
            repeatable: Whether the request may run twice.
            commands: How many commands it carries, for the log.

        Raises:
            SdkError: The error of the last attempt; `AnswerLost` when the answer to any attempt was lost. An
                exception that is none of ours, such as Ctrl-C, has `request_sent`: whether an attempt had left.
        """
        exchange = _Exchange(self, method, json.dumps(params).encode(), request_id, commands)
        try:
            return exchange.answer(repeatable=repeatable)
        except SdkError as error:
            failure = error
        except BaseException as interrupt:
            vars(interrupt)["request_sent"] = exchange.lost
            raise
        raise exchange.outcome(failure)

    def pause(self, wait: Wait) -> None:
        """Let the seconds of a wait pass, once it is announced."""
        self.announce(wait)
        self.clock.sleep(wait.seconds)

    def announce(self, wait: Wait) -> None:
        """Tell log and caller of a wait that is about to begin."""
        if wait.reason == "retry" or wait.seconds > 1:
            _log.warning(
                "waiting %.1f s (%s) before attempt %d, request id %s",
                wait.seconds,
                wait.reason,
                wait.attempt,
                wait.request_id,
            )
        if self.on_wait is not None:
            self.on_wait(wait)


@attrs.define(eq=False)
class _Exchange:
    """One request and its attempts."""

    transport: Transport
    method: str
    body: bytes = attrs.field(repr=False)
    request_id: str
    commands: int
    attempts: int = 0
    lost: bool = False
    renewals: list[Renewal] = attrs.field(factory=list)

    def answer(self, *, repeatable: bool) -> Answer:
        """Return the answer to the first attempt, or to a later one; most requests need no retrying at all."""
        try:
            return self._attempt()
        except SdkError as error:
            first = [error]

        def again() -> Answer:
            if first:
                raise first.pop()
            return self._attempt()

        transport = self.transport
        return transport.retries.retrying(repeatable=repeatable, max_wait=transport.max_wait, sleep=self.pause)(again)

    def _attempt(self) -> Answer:
        self.attempts += 1
        while True:
            access = self.transport.auth.access()
            if access.stale and self._renew(access):
                access = self.transport.auth.access()
            try:
                return self._send(access)
            except ExpiredToken:
                if not self._renew(access):
                    raise

    def pause(self, seconds: float) -> None:
        """Wait before the next attempt."""
        self.transport.pause(Wait("retry", seconds, self.attempts + 1, self.request_id))

    def outcome(self, failure: SdkError) -> SdkError:
        """Return what to raise after the last attempt: a lost answer outweighs whatever came after it."""
        if not self.lost or isinstance(failure, AnswerLost):
            return failure
        description = f"an answer was lost; when the request was sent again: {failure}"
        return AnswerLost(description, http_status=failure.http_status, request_id=self.request_id)

    def _renew(self, access: Access) -> bool:
        """Get a newer token: one refresh for the whole exchange, and one that another refreshed, so that it ends."""
        if "refreshed" in self.renewals or len(self.renewals) == _MOST_RENEWALS:
            return False
        renew = with_max_wait(self.transport.auth.renew, self.transport.max_wait)
        renewal: Renewal = renew(access, self.transport.connections)
        self.renewals.append(renewal)
        return renewal != "none"

    def _send(self, access: Access) -> Answer:
        limits, clock = self.transport.limits, self.transport.clock
        if limits is not None:
            limits.acquire(max_wait=self.transport.max_wait, on_wait=self._announce_rate)
        lost_before, began = self.lost, clock.monotonic()
        self.lost = True  # until the contrary is known, whatever interrupts
        try:
            return self._post(access)
        except SdkError as error:
            self.lost = lost_before or isinstance(error, AnswerLost)
            self._note(error)
            raise
        except BaseException as interrupt:
            if not vars(interrupt).get("request_sent", True):
                self.lost = lost_before
            raise
        finally:
            what = (self.method, self.commands, clock.monotonic() - began, self.request_id)
            _log.debug("%s: %d commands, %.3f s, request id %s", *what)

    def _note(self, error: SdkError) -> None:
        if isinstance(error, AnswerLost):
            error.request_id = self.request_id
        if isinstance(error, RateLimited) and self.transport.limits is not None:
            self.transport.limits.penalize(min(error.retry_after or 0.0, self.transport.retries.total_wait))

    def _announce_rate(self, seconds: float) -> None:
        self.transport.announce(Wait("rate", seconds, self.attempts, self.request_id))

    def _post(self, access: Access) -> Answer:
        transport = self.transport
        post = Post(
            access.url(self.method).reveal(),
            access.signed(self.body),
            {"Content-Type": "application/json", "X-Request-ID": self.request_id},
            transport.timeout,
            transport.deadline,
            transport.max_answer,
        )
        with transport.connections.post(post) as reply:
            answer = HttpAnswer(
                reply.status, reply.headers, reply.content, self.method, self.request_id, access.secrets
            )
            return answer.opened(transport.clock.time())

"""Transport: sends one POST to the portal, within the rate, and sends it again where that is safe."""

from __future__ import annotations

import json
import logging
from functools import partial

import attrs

from b24batch.aliases import WireParams
from b24batch.clock import Reason, Wait
from b24batch.errors import AnswerLost, ExpiredToken, RateLimited, SdkError
from b24batch.wire.answers import Answer, Decoder
from b24batch.wire.auth import Access, Auth
from b24batch.wire.claim import Claim
from b24batch.wire.connections import Connections
from b24batch.wire.messages import Post, Reply
from b24batch.wire.renewals import Renewals
from b24batch.wire.reports import FinishedRequest, Reports
from b24batch.wire.settings import WireSettings
from b24batch.wire.statistics import Counts

_log = logging.getLogger("b24batch")


@attrs.frozen(eq=False)
class Transport:
    """Sends requests to one portal.

    Attributes:
        auth: The credentials: the portal's address and secret.
        connections: The connections to send requests with.
        settings: How requests are sent.
        counts: Counts what is sent.
    """

    auth: Auth
    connections: Connections
    settings: WireSettings
    counts: Counts

    def call(
        self,
        method: str,
        params: WireParams,
        *,
        request_id: str,
        repeatable: bool,
        commands: int = 1,
        claim: Claim | None = None,
        reports: Reports,
    ) -> Answer:
        """Send a request, again where that is safe, and return the portal's answer.

        Args:
            method: The method to call, ``batch`` or another.
            params: The body.
            request_id: The ``X-Request-ID`` header, the same for every attempt.
            repeatable: Whether the request may be executed twice.
            commands: The number of commands in the request, for the log.
            claim: Called around each attempt. Default None.
            reports: Told of each attempt. The caller calls its `check` once the outcome is recorded.

        Raises:
            SdkError: The error of the last attempt, or `AnswerLost` if the answer to any attempt was lost. Any other
                exception, such as Ctrl-C or `HookFailed`, has `request_sent`, which tells whether an attempt was sent.
        """
        exchange = Exchange(self, method, json.dumps(params).encode(), request_id, commands, claim, reports)
        settings = self.settings
        retry = settings.retries.retrying(repeatable=repeatable, max_wait=settings.max_wait, sleep=exchange.pause)
        try:
            return retry(exchange.attempt)
        except SdkError as error:
            failure = error
        except BaseException as interrupt:
            vars(interrupt)["request_sent"] = exchange.lost
            raise
        raise exchange.choose_error(failure)

    def announce(self, wait: Wait) -> None:
        """Count and log a wait that is about to begin, and call ``on_wait``."""
        self.counts.count_wait(wait)
        if wait.reason == "retry" or wait.seconds > 1:
            what = (wait.seconds, wait.reason, wait.attempt, wait.request_id)
            _log.warning("waiting %.1f s (%s) before attempt %d, request id %s", *what)
        if self.settings.on_wait is not None:
            self.settings.on_wait(wait)


@attrs.define(eq=False)
class Exchange:
    """One request and its attempts."""

    transport: Transport
    method: str
    body: bytes = attrs.field(repr=False)
    request_id: str
    commands: int
    claim: Claim | None
    reports: Reports
    attempts: int = 0
    lost: bool = False
    renewals: Renewals = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        wire = self.transport
        self.renewals = Renewals(wire.auth, wire.connections, wire.settings.max_wait, wire.counts)

    def attempt(self) -> Answer:
        """Send the request; if its token is refused, renew the token and send the request again."""
        while True:
            access = self.renewals.get_access()
            self._keep_rate()
            if self.claim is not None:
                self.claim.take()
            self.attempts += 1
            self.transport.counts.count_request(is_retry=self.attempts > 1)
            lost_before, began = self.lost, self._now()
            self.lost = True  # until the opposite is known, in case of an interrupt
            try:
                with self.transport.connections.post(self._make_post(access)) as reply:
                    answer = self._open(reply, access)
            except BaseException as error:
                self._note(error, lost_before=lost_before)
                self._report(began, error)
                if not isinstance(error, ExpiredToken):
                    raise
                refused = error
            else:
                self._report(began, answer)
                return answer
            if not self.renewals.renew(access):
                raise refused

    def pause(self, seconds: float) -> None:
        """Wait before the next attempt."""
        self._announce("retry", seconds)
        self.transport.settings.clock.sleep(seconds)

    def choose_error(self, failure: SdkError) -> SdkError:
        """Return the error to raise after the last attempt: a lost answer outweighs any later error."""
        if not self.lost or isinstance(failure, AnswerLost):
            return failure
        description = f"an answer was lost; when the request was sent again: {failure}"
        return AnswerLost(description, http_status=failure.http_status, request_id=self.request_id)

    def _keep_rate(self) -> None:
        settings = self.transport.settings
        if settings.limits is not None:
            settings.limits.acquire(max_wait=settings.max_wait, on_wait=partial(self._announce, "rate"))

    def _announce(self, reason: Reason, seconds: float) -> None:
        self.reports.announce(self.transport.announce, Wait(reason, seconds, self.attempts + 1, self.request_id))

    def _now(self) -> float:
        return self.transport.settings.clock.monotonic()

    def _report(self, began: float, outcome: Answer | BaseException) -> None:
        """Log an attempt that has ended, and tell `on_request`."""
        seconds = self._now() - began
        many = "s" * (self.commands != 1)
        what = (self.method, self.commands, many, seconds, self.request_id)
        _log.debug("%s: %d command%s, %.3f s, request id %s", *what)
        if self.reports.on_request is not None:
            began_at = self.transport.settings.clock.time() - seconds
            how = (self.attempts, self.request_id, began_at, seconds)
            self.reports.report(FinishedRequest(self.transport.auth.host, self.method, self.commands, *how), outcome)

    def _note(self, error: BaseException, *, lost_before: bool) -> None:
        """Record whether an attempt may have been executed, and slow down if the portal refused it for its rate."""
        settings = self.transport.settings
        if isinstance(error, SdkError):
            self.lost = lost_before or isinstance(error, AnswerLost)
        elif not vars(error).get("request_sent", True):
            self.lost = lost_before
        if isinstance(error, AnswerLost):
            error.request_id = self.request_id
        if self.claim is not None and not self.lost:
            self.claim.release()
        if isinstance(error, RateLimited) and settings.limits is not None:
            settings.limits.penalize(min(error.retry_after or 0.0, settings.retries.total_wait))

    def _make_post(self, access: Access) -> Post:
        settings = self.transport.settings
        return Post(
            access.url(self.method).reveal(),
            access.signed(self.body),
            {"Content-Type": "application/json", "X-Request-ID": self.request_id},
            settings.timeout,
            settings.deadline,
            settings.max_answer,
            access.public_only,
        )

    def _open(self, reply: Reply, access: Access) -> Answer:
        decoder = Decoder(reply, self.method, self.request_id, access.secrets)
        return decoder.decode(self.transport.settings.clock.time())

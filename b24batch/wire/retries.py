"""Retries: whether, when and how often a request is sent again."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
import tenacity

from b24batch.errors import AjaxError, AnswerLost, NotSent, RateLimited
from b24batch.redaction import INNER
from b24batch.wire.checks import check_number, check_pause, validate_kind, validate_with

INNER.add(tenacity.__name__)


@attrs.frozen
class RetryPolicy:
    """When and how often a request is retried. All times are in seconds.

    The policy does not decide which requests are safe to retry. A request that was not sent, or that the portal
    refused for its rate, is always retried. A request whose answer was lost is retried only if all its commands read,
    or were declared idempotent.

    To change one value of a policy, use ``attrs.evolve(policy, attempts=3)``.

    Args:
        attempts: The maximum number of times a request is sent; 1 means no retry. Default 5.
        wait_initial: The upper limit of the first pause; it doubles for each further pause. The pause is a random
            time between 0 and the limit, so that many clients do not return at once. If the portal sends
            ``Retry-After``, the pause is that long instead. Default 1.
        wait_max: The highest limit of a single random pause. Default 30.
        total_wait: The maximum of all pauses of one request together; a pause that would exceed it is not started.
            Default 120.
        random: A function that returns a random number from 0 to 1; default `random.random`.

    Raises:
        UsageError: `attempts` is not a whole number of at least 1, or a time is not a number of at least 0.
    """

    attempts: int = attrs.field(default=5, validator=validate_with(check_number))
    wait_initial: float = attrs.field(default=1.0, validator=validate_with(check_pause))
    wait_max: float = attrs.field(default=30.0, validator=validate_with(check_pause))
    total_wait: float = attrs.field(default=120.0, validator=validate_with(check_pause))
    random: Callable[[], float] = attrs.field(
        default=random.random, repr=False, eq=False, kw_only=True, validator=validate_kind(Callable, "a function")
    )

    def retrying(
        self, *, repeatable: bool, max_wait: float | None, sleep: Callable[[float], None]
    ) -> tenacity.Retrying:
        """Return a tenacity object that calls a function until it succeeds or this policy gives up.

        Args:
            repeatable: Whether the request may be executed twice.
            max_wait: The longest single pause in seconds; None means that only this policy's limits apply.
            sleep: A function that sleeps for the seconds of a pause.
        """
        longest = self.total_wait if max_wait is None else max_wait
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: _may_be_sent_again(error, repeatable=repeatable)),
            wait=self._pause,
            stop=lambda state: self._is_over(state, longest),
            sleep=sleep,
            reraise=True,
        )

    def _pause(self, state: tenacity.RetryCallState) -> float:
        hint = getattr(_get_error(state), "retry_after", None)
        if isinstance(hint, float):
            return hint
        bound = min(self.wait_max, self.wait_initial * 2.0 ** min(state.attempt_number - 1, 64))
        return self.random() * bound

    def _is_over(self, state: tenacity.RetryCallState, longest: float) -> bool:
        error, pause = _get_error(state), state.upcoming_sleep
        if state.attempt_number >= self.attempts:
            return True
        too_long = not (pause <= longest and state.idle_for + pause <= self.total_wait)  # nan is too long
        if too_long and isinstance(error, RateLimited) and error.retry_after is None:
            error.retry_after = pause
        return too_long


def _get_error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _may_be_sent_again(error: BaseException, *, repeatable: bool) -> bool:
    if isinstance(error, AnswerLost):
        return repeatable
    if isinstance(error, RateLimited):  # the limiter's refusal, too, but it exceeds max_wait and so ends the retries
        return True
    if isinstance(error, NotSent):
        return error.code == "NOT_SENT"
    return isinstance(error, AjaxError) and error.code.matches("CONNECTION_ERROR") and error.http_status == 401

"""Retries: whether, when and how often a request is sent again."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable

import attrs
import tenacity

from b24batch.errors import AjaxError, AnswerLost, NotSent, RateLimited
from b24batch.write_methods import is_known_write

#: Last parts of method names that only read, besides ``get...`` and ``is...``; found in the documentation's 1657
#: methods. Any other part is a write.
_READ_NAMES = frozenset(
    """
    access admin availabletoadd canmovetask check checkcontent children count countries current download fields
    findbycomm fullexport get getlist groups id important info instances items list listcontacts listemployees
    listforitem listfortype mode multidepartment name nearest resolveidbypublicurl search searchcrmentities senders
    settings status statuslist subordinates tail text thread time types url
    """.split()
)
_READ_PATTERN = re.compile(r"(?:get|is).+")
#: Methods that read and have one part only.
_READS_OF_ONE_PART = frozenset(["profile", "scope", "methods", "events"])


@functools.lru_cache(maxsize=1024)
def is_read(method: str) -> bool:
    """Return whether `method` certainly changes nothing on the portal; in doubt it is a write."""
    name = method.casefold()
    last = name.rpartition(".")[2]
    if is_known_write(name):
        return False
    if last in _READ_NAMES or name in _READS_OF_ONE_PART or name.startswith("crm.enum."):
        return True
    return _READ_PATTERN.fullmatch(last) is not None


@attrs.frozen
class RetryPolicy:
    """How patient a session is. All times are seconds; vary one with ``attrs.evolve``.

    What is sent again is not a matter of patience: a request that never left or that the portal refused for its
    rate always, one whose answer was lost only if all its commands read or were declared idempotent.

    Args:
        attempts: How often a request is sent at most; 1 is no retry.
        wait_initial: The bound of the first pause; each next bound is twice as long. The pause itself is drawn
            evenly from 0 to its bound, so that many clients do not come back at once. If the portal says how long
            to wait (``Retry-After``), that holds instead.
        wait_max: The bound no pause's bound exceeds.
        total_wait: All pauses of one request together; a pause that would exceed it is not begun.
        random: Draws a number from 0 to 1.

    Raises:
        ValueError: For no attempt or a negative time.
    """

    attempts: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    wait_initial: float = attrs.field(default=1.0, validator=attrs.validators.ge(0))
    wait_max: float = attrs.field(default=30.0, validator=attrs.validators.ge(0))
    total_wait: float = attrs.field(default=120.0, validator=attrs.validators.ge(0))
    random: Callable[[], float] = attrs.field(default=random.random, repr=False, eq=False, kw_only=True)

    def retrying(
        self, *, repeatable: bool, max_wait: float | None, sleep: Callable[[float], None]
    ) -> tenacity.Retrying:
        """Return what calls a function until it succeeds or this policy ends it.

        Args:
            repeatable: Whether the request may run twice.
            max_wait: The longest single pause in seconds; None for no bound but this policy's.
            sleep: Lets the seconds of a pause pass.
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
        hint = getattr(_error(state), "retry_after", None)
        if isinstance(hint, float):
            return hint
        bound = min(self.wait_max, self.wait_initial * 2.0 ** min(state.attempt_number - 1, 64))
        return self.random() * bound

    def _is_over(self, state: tenacity.RetryCallState, longest: float) -> bool:
        error, pause = _error(state), state.upcoming_sleep
        if state.attempt_number >= self.attempts:
            return True
        too_long = not (pause <= longest and state.idle_for + pause <= self.total_wait)  # nan is too long
        if too_long and isinstance(error, RateLimited) and error.retry_after is None:
            error.retry_after = pause
        return too_long


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _may_be_sent_again(error: BaseException, *, repeatable: bool) -> bool:
    if isinstance(error, AnswerLost):
        return repeatable
    if isinstance(error, RateLimited):  # our own refusal, too: but its hint is over max_wait, so it is not waited for
        return True
    if isinstance(error, NotSent):
        return error.code == "NOT_SENT"
    return isinstance(error, AjaxError) and error.code.matches("CONNECTION_ERROR") and error.http_status == 401

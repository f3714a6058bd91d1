"""Statistics: counts what a session does, exactly, whichever threads share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, get_args

import attrs

from b24batch.clock import Reason, Wait
from b24batch.errors import AnswerLost, SdkError
from b24batch.locks import ProcessLock
from b24batch.statuses import Status, count_statuses

#: Maximum number of methods in a table.
_MAX_LISTED = 3
_CAUSES: dict[Reason, str] = {"rate": "the rate", "retry": "retries", "operating": "operating time"}


@attrs.frozen
class MethodTime:
    """The operating time of a method, as the portal counts it.

    Attributes:
        operating: The seconds that the method has worked within ten minutes; the portal blocks it at 480.
        reset_at: The Unix time from which the portal counts less. Until then `operating` does not fall.
    """

    operating: float
    reset_at: float

    def __str__(self) -> str:
        return f"{self.operating:.0f} s until {datetime.fromtimestamp(self.reset_at, UTC):%H:%M:%S} UTC"


@attrs.frozen
class Statistics:
    """What a session and those made from it did so far: a snapshot, which does not change.

    Attributes:
        requests: The HTTP requests to the portal, retries and those that did not reach it included. Requests for a
            token are not among them.
        retries: How many of these repeated an earlier one, after an error or with a new token.
        token_refreshes: How often an OAuth server issued a new token.
        commands: The number of commands by status: ``ok``, ``failed``, ``skipped`` and ``unknown``. Each counts once,
            when its outcome is final, however often it was sent. Each page of a list is a command.
        waited: Seconds by reason: ``rate``, ``retry`` and ``operating``. It is the sum of what `on_wait` is told: a
            wait counts in full as soon as it begins, and waits of several threads or requests at once add up.
        methods: The operating time of each method, the longest first; empty if the portal does not limit it.
    """

    requests: int
    retries: int
    token_refreshes: int
    commands: Mapping[Status, int]
    waited: Mapping[Reason, float]
    methods: Mapping[str, MethodTime]

    def to_facts(self) -> dict[str, str]:
        """Return what was done in words, for a table; nothing is left out but what did not happen."""
        retries = f", {self.retries} of them retries" if self.retries else ""
        waits = [f"{seconds:.1f} s for {_CAUSES[reason]}" for reason, seconds in self.waited.items() if seconds]
        facts = {
            "requests": f"{self.requests or ''}{retries}",
            "commands": count_statuses(+Counter(self.commands)) if any(self.commands.values()) else "",
            "waited": ", ".join(waits),
            "token refreshes": f"{self.token_refreshes or ''}",
            "operating time": self._list_methods(),
        }
        return {name: fact for name, fact in facts.items() if fact}

    def _list_methods(self) -> str:
        used = [f"{method} {time}" for method, time in self.methods.items() if time.operating]
        return ", ".join(used[:_MAX_LISTED] + ["..."] * (len(used) > _MAX_LISTED))


class Counted(Protocol):
    """A chunk that remembers whether its commands were counted."""

    is_counted: bool


class Counts:
    """Counts what a session and those made from it do. After a fork the child counts on for itself."""

    def __init__(self) -> None:
        # Reentrant: a garbage collection inside it may close an abandoned stream, whose commands are counted.
        self._lock = ProcessLock(reentrant=True)
        self._requests = self._retries = self._token_refreshes = 0
        self._commands: dict[Status, int] = dict.fromkeys(get_args(Status), 0)
        self._waited: dict[Reason, float] = dict.fromkeys(get_args(Reason), 0.0)

    def count_request(self, *, is_retry: bool) -> None:
        """Count an HTTP request that is about to be sent."""
        with self._lock.lock:
            self._requests += 1
            self._retries += is_retry

    def count_refresh(self) -> None:
        """Count a new token."""
        with self._lock.lock:
            self._token_refreshes += 1

    def count_wait(self, wait: Wait) -> None:
        """Count a wait that is about to begin."""
        with self._lock.lock:
            self._waited[wait.reason] += wait.seconds

    def count_commands(self, statuses: Sequence[Status], chunk: Counted | None = None) -> None:
        """Count commands by their final status, and mark their chunk; an interrupt finds both done or neither."""
        count = statuses.count
        ok, failed, skipped, unknown = count("ok"), count("failed"), count("skipped"), count("unknown")
        with self._lock.lock:
            # Without a call or a loop, Python runs neither a signal handler nor another thread in between.
            self._commands["ok"] += ok
            self._commands["failed"] += failed
            self._commands["skipped"] += skipped
            self._commands["unknown"] += unknown
            if chunk is not None:
                chunk.is_counted = True

    def count_failure(self, error: BaseException, commands: int, *, answered: bool) -> None:
        """Count the commands of a request that failed as a whole; an interrupt before it was sent counts none."""
        status: Status = "failed" if isinstance(error, SdkError) and not isinstance(error, AnswerLost) else "unknown"
        if isinstance(error, SdkError) or vars(error).get("request_sent", answered):
            self.count_commands([status] * commands)

    def snapshot(self, methods: Mapping[str, MethodTime]) -> Statistics:
        """Return the counts so far, with the operating times of `methods`."""
        longest_first = sorted(methods.items(), key=lambda method: -method[1].operating)
        with self._lock.lock:
            return Statistics(
                self._requests,
                self._retries,
                self._token_refreshes,
                dict(self._commands),
                dict(self._waited),
                dict(longest_first),
            )

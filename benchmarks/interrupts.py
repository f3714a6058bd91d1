"""Ctrl-C at random moments of runs, and what the outcomes in the exception say."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from typing import Any, NamedTuple

from faults import plan_faults
from verdict import Verdict, judge

from b24batch import Command, Result, RetryPolicy, Session, outcomes_of
from b24batch.sandbox import Portal
from b24batch.statuses import Status

#: The commands of a run.
COMMANDS = 1_000
#: What every answer takes, so that there are requests on their way.
SECONDS = 0.02


class Interrupted(NamedTuple):
    """What is known of a run, from the exception or because it was over sooner.

    Attributes:
        result: The outcomes.
        halfway: Whether they come from the exception.
    """

    result: Result[Any] | None
    halfway: bool


def interrupt_runs(times: int, share: float, concurrency: int) -> Verdict:
    """Interrupt so many runs, print what came of them, and return what the journal says.

    Args:
        times: The number of runs.
        share: The share of the requests that fail.
        concurrency: The requests of a run that are on their way at once.
    """
    outcomes: dict[str, Status] = {}
    halfway = 0
    retries = RetryPolicy(wait_initial=0.0)
    with Portal() as portal, portal.session(retries=retries, concurrency=concurrency) as b24:
        portal.fail_next("slow", times=COMMANDS // 50, seconds=SECONDS)
        seconds = _seconds(b24)
        portal.executed.clear()
        plan_faults(portal, share, times * COMMANDS // 50)
        portal.fail_next("slow", times=times * COMMANDS, seconds=SECONDS)
        for number in range(times):
            calls = _adds(f"r{number}c")
            run = interrupted(b24, calls, random.uniform(0.0, seconds))
            outcomes.update({str(command.name): "skipped" for command in calls})  # with no result nothing was sent
            outcomes.update({str(row.command.name): row.status for row in run.result or []})
            halfway += run.halfway
        portal.close()  # nothing runs any more
        verdict = judge(portal, outcomes, times * COMMANDS)
    print(f"{times} times Ctrl-C, {halfway} of them in the middle of a run: {dict(Counter(outcomes.values()))}")
    return verdict


def interrupted(b24: Session, calls: list[Command], seconds: float) -> Interrupted:
    """Press Ctrl-C so many seconds after the start of a run; return what is known then."""
    press = threading.Timer(seconds, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    result = None
    try:
        press.start()
        result = b24.batch_by_chunk(calls, halt_on_error=random.random() < 0.5, chunk_size=random.choice([10, 25, 50]))
        press.join()
        time.sleep(0.1)  # the interrupt comes here at the latest, unless it came where Python ignores exceptions
    except KeyboardInterrupt as interrupt:
        known = outcomes_of(interrupt)
        return Interrupted(result or known, known is not None)
    return Interrupted(result, False)


def _adds(prefix: str) -> list[Command]:
    titles = [f"{prefix}{number}" for number in range(COMMANDS)]
    return [Command("crm.deal.add", {"fields": {"TITLE": title}}, name=title) for title in titles]


def _seconds(b24: Session) -> float:
    """Return how long a run takes that nobody interrupts."""
    began = time.perf_counter()
    b24.batch_by_chunk(_adds("whole")).raise_for_errors()
    return time.perf_counter() - began

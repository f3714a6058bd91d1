"""Writes through random faults, and whether every outcome is the truth.

    python benchmarks/soak.py [--commands 100000] [--threads 4] [--concurrency 8] [--share 0.05] [--seed N]
    python benchmarks/soak.py --interrupts 200 [--concurrency 8] [--share 0.05] [--seed N]

Threads send writes in chunks to a sandbox portal that fails on a share of the requests in every way it knows, those
left out that last until a time-out. What remains is sent again, what is unknown is not. In the end each command's
outcome is held against the journal of the portal. With ``--interrupts`` there is one thread, and each run is ended by
Ctrl-C at a random moment. Exit code 1 when a command ran twice, contradicts the journal or is lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter

from faults import plan_faults
from interrupts import interrupt_runs
from verdict import Verdict, judge

from b24batch import Command, RetryPolicy, Session
from b24batch.options import Options
from b24batch.sandbox import Portal
from b24batch.statuses import Status


def send(b24: Session, todo: list[Command], outcomes: dict[str, Status]) -> None:
    """Send the commands until none remains, and note the last outcome of each."""
    while todo:
        result = b24.batch_by_chunk(todo, halt_on_error=random.random() < 0.5)
        outcomes.update({str(row.command.name): row.status for row in result})
        todo = result.remaining()


def soak(commands: list[Command], threads: int, share: float, concurrency: int) -> Verdict:
    """Run the soak, print what came of it, and return what the journal says."""
    outcomes: dict[str, Status] = {}
    began = time.perf_counter()
    options: Options = {"retries": RetryPolicy(wait_initial=0.0), "operating_wait": 0, "concurrency": concurrency}
    with Portal() as portal, portal.session(**options) as b24:
        faults = plan_faults(portal, share, len(commands) // 50)
        shares = [commands[number::threads] for number in range(threads)]
        workers = [threading.Thread(target=send, args=(b24, todo, outcomes)) for todo in shares]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        verdict = judge(portal, outcomes, len(commands))
        requests = len(portal.requests)
    print(f"{len(commands)} commands, {threads} threads, concurrency {concurrency}", end=", ")
    print(f"{requests} requests, {faults} faults", end=", ")
    print(f"{time.perf_counter() - began:.1f} s: {dict(Counter(outcomes.values()))}")
    return verdict


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=1, help="requests of a run that are on their way at once")
    parser.add_argument("--interrupts", type=int, default=0, help="so many runs ended by Ctrl-C instead")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


def main() -> int:
    """Read the arguments and soak."""
    given = arguments()
    print(f"seed {given.seed}", flush=True)
    random.seed(given.seed)
    if given.interrupts:
        verdict = interrupt_runs(given.interrupts, given.share, given.concurrency)
    else:
        titles = [f"c{number}" for number in range(given.commands)]
        commands = [Command("crm.deal.add", {"fields": {"TITLE": title}}, name=title) for title in titles]
        verdict = soak(commands, given.threads, given.share, given.concurrency)
    print(verdict)
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())

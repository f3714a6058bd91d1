"""Writes through random faults, and whether every outcome is the truth.

    python benchmarks/soak.py [--commands 100000] [--threads 4] [--concurrency 1] [--share 0.05] [--seed N]

Threads send writes in chunks to a sandbox portal that fails on a share of the requests in every way it knows, those
left out that last until a time-out. What remains is sent again, what is unknown is not. In the end each command's
outcome is held against the journal of the portal. Exit code 1 when one ran twice, contradicts the journal or is lost.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import Counter

from b24batch import Command, RetryPolicy, Session
from b24batch.options import Options
from b24batch.sandbox import FAULTS, Portal
from b24batch.statuses import Status

#: These end by a time-out of the client, which takes real time.
STALLING = {"silent", "stall", "slow", "drip"}


def plan_faults(portal: Portal, share: float, requests: int) -> int:
    """Let a share of so many requests fail, each in a way of its own; return how many."""
    names = sorted(set(FAULTS) - STALLING)
    numbers = [number for number in range(requests) if random.random() < share]
    for number in numbers:
        portal.fail_next(random.choice(names), after=number, commands=random.randrange(50))
    return len(numbers)


def send(b24: Session, todo: list[Command], outcomes: dict[str, Status]) -> None:
    """Send the commands until none remains, and note the last outcome of each."""
    while todo:
        result = b24.batch_by_chunk(todo, halt_on_error=random.random() < 0.5)
        outcomes.update({str(row.command.name): row.status for row in result})
        todo = result.remaining()


def contradictions(outcomes: dict[str, Status], ran: Counter[str]) -> list[str]:
    """Return the commands whose outcome is not what the portal's journal says."""
    allowed = {"ok": {1}, "failed": {0}, "skipped": {0}, "unknown": {0, 1}}
    return [name for name, status in outcomes.items() if ran[name] not in allowed[status]]


def soak(count: int, threads: int, share: float, concurrency: int) -> bool:
    """Run the soak, print what came of it, and return whether all was well."""
    outcomes: dict[str, Status] = {}
    add = "crm.deal.add"
    commands = [Command(add, {"fields": {"TITLE": f"c{n}"}}, name=f"c{n}") for n in range(count)]
    began = time.perf_counter()
    options: Options = {"retries": RetryPolicy(wait_initial=0.0), "operating_wait": 0, "concurrency": concurrency}
    with Portal() as portal, portal.session(**options) as b24:
        faults = plan_faults(portal, share, count // 50)
        shares = [commands[number::threads] for number in range(threads)]
        workers = [threading.Thread(target=send, args=(b24, todo, outcomes)) for todo in shares]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ran = Counter(str(executed.params["fields"]["TITLE"]) for executed in portal.executed)
        requests = len(portal.requests)
    doubled = sum(times > 1 for times in ran.values())
    wrong, lost = contradictions(outcomes, ran), count - len(outcomes)
    print(
        f"{count} commands, {threads} threads, concurrency {concurrency}, {requests} requests, {faults} faults",
        end=", ",
    )
    print(f"{time.perf_counter() - began:.1f} s: {dict(Counter(outcomes.values()))}")
    print(f"{doubled} doubled, {len(wrong)} contradict the journal, {lost} lost")
    return not (doubled or wrong or lost)


def main() -> int:
    """Read the arguments and soak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    random.seed(arguments.seed)
    return 0 if soak(arguments.commands, arguments.threads, arguments.share, arguments.concurrency) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs with a journal that are killed at random instants, and whether every outcome is the truth.

    python benchmarks/kills.py [--kills 200] [--commands 400] [--share 0.05] [--seed N]

A process sends writes in chunks to a sandbox portal that fails on a share of the requests, and is killed with SIGKILL.
After each kill the journal is held against what the portal executed. Then the same run is started again, and perhaps
killed again, until it ends; its result is held against the portal, too. Half of the runs halt on errors, half of them
have four requests on their way. Exit code 1 when a command ran twice or contradicts the portal, or a file is damaged.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import attrs

from b24batch import Command, Result, RetryPolicy, Session
from b24batch.journal import Journal
from b24batch.sandbox import FAULTS, Portal

#: These end by a time-out of the client, which takes real time.
STALLING = {"silent", "stall", "slow", "drip"}
CHUNK = 10
#: One command in so many is refused by the portal.
BAD = 25
#: The executions that fit a status. A command without one was never sent.
ALLOWED = {"ok": {1}, "failed": {0}, "skipped": {0}, "unknown": {0, 1}, None: {0}}
#: So often one run is killed.
MOST_OF_ONE = 5


def make_commands(count: int) -> list[Command]:
    """Return writes, with one among them now and then that the portal refuses."""
    return [
        Command(
            "no.such.method" if n % BAD == BAD - 1 else "crm.deal.add", {"fields": {"TITLE": f"c{n}"}}, name=f"c{n}"
        )
        for n in range(count)
    ]


def send(url: str, journal: str, count: int, *, halt: bool, concurrency: int) -> Result[list[object]]:
    """Start the run, or start it again."""
    retries = RetryPolicy(wait_initial=0.0)
    with Session(url, limits=None, retries=retries, operating_wait=0, concurrency=concurrency) as b24:
        return b24.batch_by_chunk(make_commands(count), journal=journal, halt_on_error=halt, chunk_size=CHUNK)


def contradictions(statuses: dict[str, str], executed: Counter[str], names: Iterable[str]) -> list[str]:
    """Return the commands whose status does not fit the portal's executions."""
    return [name for name in names if executed[name] not in ALLOWED[statuses.get(name)]]


@attrs.define
class Kills:
    """What came of the kills so far.

    Attributes:
        commands: The commands of a run.
        share: The share of the requests that fail.
        most: How many kills there shall be.
        longest: Seconds after which a run is killed at the latest.
    """

    commands: int
    share: float
    most: int
    longest: float = 1.0
    killed: int = 0
    wrong: list[str] = attrs.field(factory=list)
    doubled: int = 0
    damaged: int = 0
    statuses: Counter[str] = attrs.field(factory=Counter)

    def run(self, folder: Path) -> None:
        """Kill runs of every kind."""
        kinds = itertools.cycle([(halt, concurrency) for halt in (True, False) for concurrency in (1, 4)])
        for number in itertools.count():
            if self.killed >= self.most:
                return
            self._case(str(folder / f"{number}.journal"), *next(kinds))

    def _case(self, journal: str, halt: bool, concurrency: int) -> None:
        """Kill one run until it ends before it is killed, then start it again until nothing of it remains."""
        ends = min(self.most, self.killed + MOST_OF_ONE)
        with Portal() as portal:
            while self.killed < ends and self._kill(portal, journal, halt, concurrency):
                self._compare_journal(portal, journal)
            remaining: list[Command] = make_commands(1)
            while remaining:
                result = send(portal.url, journal, self.commands, halt=halt, concurrency=concurrency)
                self._compare({str(row.name): row.status for row in result}, portal)
                remaining = result.remaining()
            self._compare_journal(portal, journal)
            self.statuses.update(row.status for row in result)
            self.doubled += sum(times > 1 for times in count_executed(portal).values())

    def _kill(self, portal: Portal, journal: str, halt: bool, concurrency: int) -> bool:
        """Start a run and kill it; return whether it was still running."""
        self._plan_faults(portal)
        options = [portal.url, journal, str(self.commands), str(int(halt)), str(concurrency)]
        child = subprocess.Popen([sys.executable, __file__, "--child", *options], stdout=subprocess.PIPE)
        with child:
            assert child.stdout is not None
            child.stdout.readline()  # it is about to begin
            began = time.perf_counter()
            try:
                child.wait(random.uniform(0, self.longest))
            except subprocess.TimeoutExpired:
                child.kill()
            else:
                self.longest = time.perf_counter() - began
        self.killed += child.returncode < 0
        return child.returncode < 0

    def _plan_faults(self, portal: Portal) -> None:
        names = sorted(set(FAULTS) - STALLING)
        for number in range(self.commands // CHUNK):
            if random.random() < self.share:
                portal.fail_next(random.choice(names), after=number, commands=random.randrange(CHUNK))

    def _compare_journal(self, portal: Portal, journal: str) -> None:
        with closing(sqlite3.connect(journal)) as database:
            self.damaged += database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
        with Journal(journal) as opened:
            self._compare({noted.key: noted.status for noted in opened.rows()}, portal)

    def _compare(self, statuses: dict[str, str], portal: Portal) -> None:
        names = [str(command.name) for command in make_commands(self.commands)]
        self.wrong += contradictions(statuses, count_executed(portal), names)


def count_executed(portal: Portal) -> Counter[str]:
    """Return how often the portal executed each command."""
    return Counter(str(command.params["fields"]["TITLE"]) for command in portal.executed)


def main() -> int:
    """Read the arguments and kill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--commands", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    random.seed(arguments.seed)
    kills = Kills(arguments.commands, arguments.share, arguments.kills)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        kills.run(Path(folder))
    print(f"{kills.killed} kills in {time.perf_counter() - began:.0f} s; in the end {dict(kills.statuses)}")
    print(f"{kills.doubled} doubled, {len(kills.wrong)} contradict the portal, {kills.damaged} damaged files")
    return 1 if kills.doubled or kills.wrong or kills.damaged or kills.killed < kills.most else 0


def child(url: str, journal: str, count: str, halt: str, concurrency: str) -> int:
    """Send, in the process that is killed."""
    print("begins", flush=True)
    send(url, journal, int(count), halt=halt == "1", concurrency=int(concurrency))
    return 0


if __name__ == "__main__":
    sys.exit(child(*sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main())

"""b24batch against the others: the same jobs, at the same portal, in turns.

    python benchmarks/run.py [--rounds 5] [--jobs writes,calls] [--clients b24batch,bare] [--cache FOLDER]

Builds an environment for each client in the cache, starts one portal, and lets each client do each job in a process
of its own, all of them in each round, after a round that warms up. Prints a table for each job and leaves both it
and the figures as JSON in the cache, in ``results.txt`` and ``results.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from environments import CLIENTS, HERE, VARIABLES, Client, build, command, python_of, versions
from imports import TIMES, imports
from tables import Runs, Summary, Taken, summarize, table

#: The most seconds that a client has for a job.
PATIENCE = 300


class Job(NamedTuple):
    """A job.

    Attributes:
        title: What it is called in the table.
        commands: How many commands the portal must have got at least.
        sample: What the first one of the last request must have had in it, decoded.
        portal: What the portal is set to, as in the query of its ``/reset``.
    """

    title: str
    commands: int = 0
    sample: str = ""
    portal: str = ""


_FIELDS = "fields[TITLE]=Сделка № "
JOBS = {
    "writes": Job("10,000 writes with 4 nested fields, in chunks of 50", 10_000, _FIELDS),
    "named": Job("2,000 named commands in 40 batches", 2_000, "crm.deal.get?id="),
    "lists": Job("One batch of 50 lists of 50 rows, 20 times", 1_000, "filter[CATEGORY_ID]=0"),
    "rows": Job("100,000 rows of a list, none kept", 2_000, "crm.deal.list?"),
    "calls": Job("200 single calls", 200, "id=200"),
    "limited": Job("60 calls under 50 and 10/s", 60, "id=60", "capacity=50&rate=10"),
    "near": Job("1,000 writes in 20 chunks, a portal 20 ms away", 1_000, _FIELDS, "latency=0.02"),
    "far": Job("1,000 writes in 20 chunks, a portal 300 ms away", 1_000, _FIELDS, "latency=0.3"),
    "import": Job(f"Import, median of {TIMES}"),
}


@contextmanager
def portal(python: Path) -> Iterator[str]:
    """Run the portal and give its address."""
    running = [str(python), str(HERE / "portal.py")]
    with subprocess.Popen(running, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


def asked(address: str) -> Taken:
    """Ask the portal for its counts, or to begin anew."""
    with urlopen(address) as answer:
        counts: Taken = json.load(answer)
        return counts


def one_run(name: str, client: Client, address: str, cache: Path) -> Taken:
    """Let a client do a job once and return what it took, with what the portal counted."""
    job = JOBS[name]
    asked(f"{address}/reset?{job.portal}")
    words = [*command(client, cache), name, f"{address}/rest/1/secret/"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, env=VARIABLES)
    except subprocess.TimeoutExpired:
        return {"cannot": f"it did not end in {PATIENCE} s"}
    if done.returncode:
        return {"cannot": f"it failed: {(done.stderr.strip() or '?').splitlines()[-1][:200]}"}
    taken, counts = json.loads(done.stdout.splitlines()[-1]), asked(f"{address}/counts")
    if "cannot" not in taken and not (counts["commands"] >= job.commands and job.sample in str(counts["sample"])):
        return {"cannot": f"it failed: the portal got {counts['commands']} commands like {counts['sample']}"}
    return {**counts, **taken}


def rounds(names: list[str], chosen: dict[str, Client], count: int, cache: Path) -> dict[str, Runs]:
    """Run all jobs so many times after a warm-up, each time with another client first."""
    runs: dict[str, Runs] = {name: {client: [] for client in chosen} for name in names}
    with portal(python_of(cache / CLIENTS["b24batch"].environment)) as address:
        for number in range(count + 1):
            print(f"round {number} of {count}" if number else "warm-up", file=sys.stderr, flush=True)
            turn = number % len(chosen)
            order = [*chosen.items()][turn:] + [*chosen.items()][:turn]
            for name in names:
                for label, client in order:
                    taken = one_run(name, client, address, cache)
                    if number:
                        runs[name][label].append(taken)
    return runs


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "b24batch-benchmarks"
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", default=",".join(JOBS), help=", ".join(JOBS))
    parser.add_argument("--clients", default=",".join(CLIENTS), help=", ".join(CLIENTS))
    parser.add_argument("--cache", type=Path, default=cache, help="the folder of the environments and the results")
    return parser.parse_args()


def choice(names: str) -> dict[str, Client]:
    """Return the clients of these names that can run here."""
    chosen = {name: CLIENTS[name] for name in names.split(",")}
    missing = [name for name, client in chosen.items() if client.on_node and not shutil.which("npm")]
    for name in missing:
        print(f"{name} is left out: there is no Node here", file=sys.stderr)
        del chosen[name]
    return chosen


def report(summaries: dict[str, dict[str, Summary]], packages: dict[str, dict[str, str]]) -> str:
    """Return the machine, the versions and the tables as text."""
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    held = (f"{name}: {', '.join(map(' '.join, found.items()))}" for name, found in packages.items())
    tables = [table(JOBS[name].title, of_job) for name, of_job in summaries.items()]
    return "\n".join([machine, *held, "", *tables])


def main() -> None:
    """Build, run, and write down what came of it."""
    given = arguments()
    cache, names, chosen = given.cache.resolve(), given.jobs.split(","), choice(given.clients)
    for client in (CLIENTS["b24batch"], *chosen.values()):
        build(client, cache)
    runs = rounds([name for name in names if name != "import"], chosen, given.rounds, cache)
    if "import" in names:
        runs["import"] = imports(chosen, cache)
    summaries = {name: summarize(taken) for name, taken in runs.items()}
    packages = versions([*chosen.values()], cache)
    text = report(summaries, packages)
    (cache / "results.txt").write_text(text)
    (cache / "results.json").write_text(json.dumps({"versions": packages, "jobs": summaries, "runs": runs}, indent=1))
    print(text)


if __name__ == "__main__":
    main()

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
import sys
from pathlib import Path

from catalogue import JOBS
from environments import CLIENTS, Client, build, default_cache, versions
from imports import imports
from tables import Runs, Summary, summarize, table
from trials import portal, trial


def rounds(names: list[str], chosen: dict[str, Client], count: int, cache: Path) -> dict[str, Runs]:
    """Run all jobs so many times after a warm-up, each time with another client first; long jobs only once."""
    runs: dict[str, Runs] = {name: {client: [] for client in chosen if client in JOBS[name].clients} for name in names}
    with portal(cache) as address:
        for number in range(count + 1):
            print(f"round {number} of {count}" if number else "warm-up", file=sys.stderr, flush=True)
            for name in names:
                if number == 1 or not JOBS[name].once:
                    _one_round(name, runs[name], number, address, cache)
    return runs


def _one_round(name: str, runs: Runs, number: int, address: str, cache: Path) -> None:
    """Let all clients do a job; the warm-up, number 0, is not kept."""
    labels = [*runs]
    turn = number % max(1, len(labels))
    for label in labels[turn:] + labels[:turn]:
        taken = trial(name, CLIENTS[label], address, cache)
        if number:
            runs[label].append(taken)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", default=",".join(JOBS), help=", ".join(JOBS))
    parser.add_argument("--clients", default=",".join(CLIENTS), help=", ".join(CLIENTS))
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="the folder of the environments and the results"
    )
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
    packages = versions([*chosen.values()], cache)
    runs = rounds([name for name in names if name != "import"], chosen, given.rounds, cache)
    if "import" in names:
        runs["import"] = imports(chosen, cache)
    summaries = {name: summarize(taken) for name, taken in runs.items()}
    text = report(summaries, packages)
    (cache / "results.txt").write_text(text)
    (cache / "results.json").write_text(json.dumps({"versions": packages, "jobs": summaries, "runs": runs}, indent=1))
    print(text)


if __name__ == "__main__":
    main()

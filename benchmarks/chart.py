"""How long jobs take with more and more requests on their way, as a chart.

    python benchmarks/chart.py [--rounds 3] [--to docs/_static/concurrency.svg] [--cache FOLDER]

Lets b24batch do each job with 1 to 16 requests on their way, and fast_bitrix24, which has up to 50. Prints the seconds,
the median of the rounds, keeps them as ``chart.json`` in the cache, and draws them there with matplotlib, in an
environment of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from catalogue import JOBS
from environments import CLIENTS, DRAWING, HERE, Client, build, default_cache, python_of
from trials import portal, trial

#: Requests on their way; the library takes 1 to 16.
CONCURRENCIES = (1, 2, 4, 8, 12, 16)
CHARTED = ("busy", "busy_named", "busy_rows", "far")
OTHER = "fast_bitrix24"


def seconds(name: str, client: Client, address: str, given: argparse.Namespace) -> float:
    """Return how long a client needs for a job."""
    taken = [trial(name, client, address, given.cache) for _ in range(given.rounds)]
    for one in taken:
        if "cannot" in one:
            raise SystemExit(f"{name}, {client.script}, {client.concurrency}: {one['cannot']}")
    took = median(float(one["wall"]) for one in taken)
    print(f"{name}, {client.script}, {client.concurrency}: {took:.3f} s", file=sys.stderr, flush=True)
    return took


def measure(given: argparse.Namespace) -> list[dict[str, object]]:
    """Return the points of each job, and the time of the other client."""
    clients = {number: CLIENTS["b24batch"]._replace(concurrency=number) for number in CONCURRENCIES}
    lines: list[dict[str, object]] = []
    with portal(given.cache) as address:
        for name in CHARTED:
            points = [(number, seconds(name, client, address, given)) for number, client in clients.items()]
            other = seconds(name, CLIENTS[OTHER], address, given)
            lines.append({"title": JOBS[name].title, "points": points, OTHER: other})
    return lines


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--to", type=Path, default=HERE.parent / "docs" / "_static" / "concurrency.svg")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="the folder of the environments")
    return parser.parse_args()


def main() -> None:
    """Measure and draw."""
    given = arguments()
    given.cache = given.cache.resolve()
    for client in (CLIENTS["b24batch"], CLIENTS[OTHER], DRAWING):
        build(client, given.cache)
    measured = given.cache / "chart.json"
    measured.write_text(json.dumps(measure(given), indent=1))
    given.to.parent.mkdir(parents=True, exist_ok=True)
    words = [
        str(python_of(given.cache / DRAWING.environment)),
        str(HERE / DRAWING.script),
        str(measured),
        str(given.to),
    ]
    subprocess.run(words, check=True)


if __name__ == "__main__":
    main()

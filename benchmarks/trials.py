"""One trial of a client: a job at the portal, in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from catalogue import JOBS, Job
from environments import CLIENTS, HERE, VARIABLES, Client, command, python_of
from tables import Taken

#: The most seconds that a client has for a job.
PATIENCE = 300


@contextmanager
def portal(cache: Path) -> Iterator[str]:
    """Run the portal and give its address."""
    running = [str(python_of(cache / CLIENTS["b24batch"].environment)), str(HERE / "portal.py")]
    with subprocess.Popen(running, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


def asked(address: str) -> Taken:
    """Ask the portal for its counts, or to begin anew."""
    with urlopen(address) as answer:
        counts: Taken = json.load(answer)
        return counts


def trial(name: str, client: Client, address: str, cache: Path) -> Taken:
    """Let a client do a job once and return what it took, with what the portal counted."""
    job = JOBS[name]
    asked(f"{address}/reset?{job.portal}")
    words = [*command(client, cache), name, f"{address}/rest/1/secret/", str(client.concurrency)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, env=VARIABLES)
    except subprocess.TimeoutExpired:
        return {"cannot": f"it did not end in {PATIENCE} s"}
    if done.returncode:
        return {"cannot": f"it failed: {(done.stderr.strip() or '?').splitlines()[-1][:200]}"}
    return _checked(job, json.loads(done.stdout.splitlines()[-1]), asked(f"{address}/counts"))


def _checked(job: Job, taken: Taken, counts: Taken) -> Taken:
    """Return the figures of both sides; those of a client that did another job are none."""
    if "cannot" in taken:
        return taken
    if counts["commands"] < job.commands or job.sample not in str(counts["sample"]):
        return {"cannot": f"it failed: the portal got {counts['commands']} commands like {counts['sample']}"}
    if job.audited:
        taken["note"] += f"; the portal added {counts['added']}, {counts['doubled']} of them twice"
    return {**counts, **taken}

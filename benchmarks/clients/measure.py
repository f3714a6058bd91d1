"""What the process of a client does: prepare a job, time it, check its answer, print what it took as a line of JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jobs import CHECKS

#: The part of a job that is timed.
Work = Callable[[], Any]
#: Prepares a job, given the portal's address.
Job = Callable[[str], Work]
#: What a job took: floats by name, and a text under ``note``.
Taken = dict[str, Any]
_NOTHING: Mapping[str, str] = MappingProxyType({})


def peak_kib() -> int:
    """Return the most memory this process has had, in KiB; Linux hands ``ru_maxrss`` down from the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def cpu_seconds() -> float:
    """Return the processor time of this process, its own and the system's for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(jobs: Mapping[str, Job], cannot: Mapping[str, str] = _NOTHING, notes: Mapping[str, str] = _NOTHING) -> None:
    """Do the job that the command line names, at the portal it names.

    Args:
        jobs: Prepares a job, by its name.
        cannot: Why the client cannot do a job.
        notes: What a reader of the table has to know of a job that it does.
    """
    name, url = sys.argv[1:3]
    if name in cannot:
        print(json.dumps({"cannot": cannot[name]}))
        return
    print(json.dumps({"note": notes.get(name, ""), **taken(name, jobs[name](url))}))


def told(work: Work) -> Work:
    """Return the work with what its caller knows afterwards as the answer: the ids, or only an exception."""

    def telling() -> str:
        try:
            return f"{len(work())} ids"
        except Exception as error:  # whatever the client raises is what the job is about
            return f"{type(error).__name__}, no ids"

    return telling


def taken(name: str, work: Work) -> Taken:
    """Do the work and return what it took; an answer that is a text is a note."""
    start = peak_kib()
    cpu, wall = cpu_seconds(), time.perf_counter()
    answer = work()
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    grown = peak_kib() - start
    CHECKS[name](answer)
    figures: Taken = {"cpu": cpu, "wall": wall, "memory": grown / 1024}
    return {**figures, "note": answer} if isinstance(answer, str) else figures

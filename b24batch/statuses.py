"""The status of a command: whether it took effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, TypeAlias

#: Did the command take effect? ``ok`` yes; ``failed`` no, its `error` says why; ``skipped`` no, it was never
#: attempted because of an earlier error; ``unknown`` perhaps: it was sent and the answer was lost.
Status: TypeAlias = Literal["ok", "failed", "skipped", "unknown"]


def counted(statuses: Iterable[str]) -> str:
    """Return how many there are of each, ``147 ok, 3 failed``; a `Counter` stands for what it has counted."""
    counts = Counter(statuses)
    order = sorted(counts, key=lambda status: (status != "ok", status))
    return ", ".join(f"{counts[status]} {status}" for status in order) or "none"

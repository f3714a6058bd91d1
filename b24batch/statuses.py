"""The status of a command: whether it took effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, TypeAlias

#: Whether the command took effect. ``ok``: yes. ``failed``: no; its `error` says why. ``skipped``: no; it was not
#: attempted because of an earlier error. ``unknown``: it may have; it was sent, but the answer was lost.
Status: TypeAlias = Literal["ok", "failed", "skipped", "unknown"]


def count_statuses(statuses: Iterable[str]) -> str:
    """Return how often each status occurs, such as ``147 ok, 3 failed``; accepts a `Counter` of statuses too."""
    counts = Counter(statuses)
    order = sorted(counts, key=lambda status: (status != "ok", status))
    return ", ".join(f"{counts[status]} {status}" for status in order) or "none"


def count_outcomes(statuses: Iterable[str]) -> str:
    """Return how many commands have which status, such as ``150 commands: 147 ok, 3 failed``."""
    counts = Counter(statuses)
    total = counts.total()
    return f"{total} command{'s' * (total != 1)}: {count_statuses(counts)}"

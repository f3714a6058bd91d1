"""Random faults of a sandbox portal."""

from __future__ import annotations

import random

from b24batch.sandbox import FAULTS, Portal

#: These end by a time-out of the client, which takes real time.
STALLING = {"silent", "stall", "slow", "drip"}


def plan_faults(portal: Portal, share: float, requests: int) -> int:
    """Let a share of so many requests fail, each in a way of its own; return how many."""
    names = sorted(set(FAULTS) - STALLING)
    numbers = [number for number in range(requests) if random.random() < share]
    for number in numbers:
        portal.fail_next(random.choice(names), after=number, commands=random.randrange(50))
    return len(numbers)

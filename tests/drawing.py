"""How much is tried: some examples at the desk, all of them in the gate; the same ones in each run."""

import os

from hypothesis import HealthCheck, settings

#: Whether all are drawn; otherwise a tenth or less.
ALL = bool(os.environ.get("B24BATCH_ALL_EXAMPLES"))


#: How long drawing takes says something of the machine, not of the tests.
UNCHECKED = [HealthCheck.too_slow]


def drawn(number, *, unchecked=(), **options):
    """Draw so many examples in the gate, but for some of the health checks."""
    steady = {"deadline": None, "derandomize": True, "suppress_health_check": [*UNCHECKED, *unchecked]}
    return settings(max_examples=number if ALL else number // 10, **steady, **options)


def some(cases, *, share=5):
    """Return all cases in the gate, and one in `share` at the desk."""
    return list(cases)[:: 1 if ALL else share]

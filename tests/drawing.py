"""How much is tried: some examples at the desk, all of them in the gate."""

import os

from hypothesis import settings

#: Whether all are drawn; otherwise a tenth or less.
ALL = bool(os.environ.get("B24BATCH_ALL_EXAMPLES"))


def drawn(number, **options):
    """Draw so many examples in the gate."""
    return settings(max_examples=number if ALL else number // 10, deadline=None, **options)


def some(cases, *, share=5):
    """Return all cases in the gate, and one in `share` at the desk."""
    return list(cases)[:: 1 if ALL else share]

"""How many examples hypothesis draws: some at the desk, all of them in the gate."""

import os

from hypothesis import settings

#: Whether all are drawn; otherwise a fifth of them.
ALL = bool(os.environ.get("B24BATCH_ALL_EXAMPLES"))


def drawn(number, **options):
    """Draw so many examples in the gate."""
    return settings(max_examples=number if ALL else number // 5, deadline=None, **options)

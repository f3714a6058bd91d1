"""How long a renewal waits for other processes: as long as its session waits for anything."""

from __future__ import annotations

import inspect
from typing import Any


def takes_max_wait(function: Any) -> bool:
    """Return whether a function, perhaps somebody else's, has the parameter ``max_wait``, the most seconds to wait."""
    return "max_wait" in inspect.signature(function).parameters

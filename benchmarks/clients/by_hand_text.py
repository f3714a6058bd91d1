"""The text of a command as a careful user makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from jobs import Call


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a nested parameter as PHP writes them."""
    if not isinstance(value, dict | list):
        yield name, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from flat(item, f"{name}[{key}]" if name else str(key))


def text(call: Call) -> str:
    """Return the text of a command."""
    method, params = call
    return f"{method}?{urlencode(list(flat(params)))}"

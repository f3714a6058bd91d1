"""What an error knows besides its description, and how its code reads."""

from __future__ import annotations

from typing import Any, TypedDict

#: Python's pickle recurses, and raises an error of its own for much deeper values.
_MAX_PICKLED_DEPTH = 100


class ErrorCode(str):
    """A portal's error code, exactly as received. It compares and hashes like any string.

    Portals spell some codes in upper and lower case (``expired_token``, ``EXPIRED_TOKEN``); `matches` ignores case.
    """

    __slots__ = ()

    def matches(self, *codes: str) -> bool:
        """Return whether the code is one of `codes`, ignoring case."""
        return self.casefold() in {code.casefold() for code in codes}


class Evidence(TypedDict, total=False):
    """The attributes that an error can have besides its description."""

    code: str
    http_status: int | None
    request_id: str | None
    method: str
    extra: dict[str, Any]
    retry_after: float | None
    reset_at: float | None
    host: str
    temporary: bool
    data: Any


def to_message(code: str, description: str) -> str:
    """Return a code and a description as one text; either may be empty."""
    return ": ".join(part for part in (code, description) if part) or "no code and no description"


def is_deep(value: Any) -> bool:
    """Return whether a JSON value is nested too deeply to be pickled."""
    level = [value]
    for _ in range(_MAX_PICKLED_DEPTH):
        level = [part for each in level for part in _list_parts(each)]
    return bool(level)


def _list_parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []

"""Values by name, which also know why one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from b24batch.aliases import JsonValue
from b24batch.results.outcome import AjaxResult


class NamedValues(dict[str, JsonValue]):
    """Values by the names of their commands; the `KeyError` for a command without a value says why it has none.

    Args:
        rows: The outcomes of all commands.
    """

    __slots__ = ("_others",)

    def __init__(self, rows: Sequence[AjaxResult]) -> None:
        super().__init__((row.command.name or "", row.data) for row in rows if row.is_success)
        self._others = {row.command.name: row for row in rows if not row.is_success}

    def __missing__(self, name: str) -> NoReturn:
        __tracebackhide__ = True
        row = self._others.get(name)
        if row is None:
            raise KeyError(name)
        reason = "" if row.error is None else f": {row.error.code or row.error.description}"
        raise KeyError(f"{name} {row.status}{reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return dict, (dict(self),)

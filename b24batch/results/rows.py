"""Some outcomes of a run: as a table, and as flat records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from b24batch.aliases import JsonValue
from b24batch.results.outcome import AjaxResult


class Rows(list[AjaxResult]):
    """Some rows of a `Result`: a list, which a notebook shows as a table.

    Args:
        rows: All rows of the result.
        places: The positions of these rows.
    """

    __slots__ = ("_placed",)

    def __init__(self, rows: Sequence[AjaxResult], places: Iterable[int]) -> None:
        self._placed = [(place, rows[place]) for place in places]
        super().__init__(row for _, row in self._placed)

    def __reduce__(self) -> tuple[object, ...]:
        return list, (list(self),)

    def _repr_html_(self) -> str:
        from b24batch.html import render_result

        places = {id(row): place for place, row in self._placed}
        return render_result([to_record(row, places.get(id(row), number)) for number, row in enumerate(self)])


def to_record(row: AjaxResult, position: int) -> dict[str, JsonValue]:
    """Return one outcome, at its position in the run, as a flat dict."""
    error = row.error
    return {
        "position": position,
        "name": row.command.name,
        "method": row.command.method,
        "status": row.status,
        "data": row.data,
        "error": None if error is None else str(error.code),
        "error_type": None if error is None else type(error).__name__,
        "description": None if error is None else error.description,
        "total": row.total,
        "http_status": row.http_status,
        "request_id": row.request_id,
    }

"""The figures of a run as medians with their ranges, and as a table to read."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any, TypedDict

#: What one run of a client took: floats by name, and texts under ``cannot`` and ``note``.
Taken = dict[str, Any]
#: The runs of a job, by the client.
Runs = dict[str, list[Taken]]

OURS = "b24batch"
_FIGURES = ("cpu", "wall", "memory", "requests", "connections", "at_once", "refusals")


class Summary(TypedDict, total=False):
    """What the runs of a client at a job come to.

    Attributes:
        figures: The median, the least and the most of each figure.
        ratios: The medians of processor and wall time over those of b24batch.
        note: What to know of it.
        cannot: Why there is nothing else.
    """

    figures: dict[str, tuple[float, float, float]]
    ratios: dict[str, float]
    note: str
    cannot: str


def summarize(runs: Runs) -> dict[str, Summary]:
    """Return what the runs of a job come to, by the client."""
    summaries = {name: _summary(taken) for name, taken in runs.items()}
    ours = summaries.get(OURS, {}).get("figures", {})
    for summary in summaries.values():
        theirs = summary.get("figures", {})
        shared = [name for name in ("cpu", "wall", "memory") if name in theirs and name in ours and ours[name][0]]
        summary["ratios"] = {name: theirs[name][0] / ours[name][0] for name in shared}
    return summaries


def _summary(taken: list[Taken]) -> Summary:
    for run in taken:
        if "cannot" in run:
            return {"cannot": str(run["cannot"])}
    names = [name for name in _FIGURES if taken and name in taken[0]]
    figures = {name: _spread(float(run[name]) for run in taken) for name in names}
    return {"figures": figures, "note": str(taken[0].get("note", ""))}


def _spread(values: Iterable[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return median(ordered), ordered[0], ordered[-1]


def table(title: str, summaries: dict[str, Summary]) -> str:
    """Return the table of a job."""
    heads = ["client", "CPU s", "ratio", "wall s", "ratio", "MiB", "requests", "connections", "at once", "refused", ""]
    rows = [heads, *(_row(name, summary) for name, summary in summaries.items())]
    shown = [row for row in rows if len(row) > 2]
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
    widths[0] = max(len(row[0]) for row in rows)
    return "\n".join([title, "-" * len(title), *(_line(row, widths) for row in rows), ""])


def _row(name: str, summary: Summary) -> list[str]:
    if "cannot" in summary:
        return [name, f"cannot: {summary['cannot']}"]
    figures, ratios = summary["figures"], summary["ratios"]
    times = [text for key in ("cpu", "wall") for text in (_time(figures.get(key)), _ratio(ratios.get(key)))]
    counts = [_count(figures.get(key)) for key in ("requests", "connections", "at_once", "refusals")]
    memory = f"{figures['memory'][0]:.1f}" if "memory" in figures else "-"
    return [name, *times, memory, *counts, summary["note"]]


def _line(row: list[str], widths: list[int]) -> str:
    if len(row) == 2:
        return f"{row[0]:{widths[0]}}  {row[1]}"
    cells = [f"{row[0]:{widths[0]}}"] + [
        f"{cell:>{width}}" for cell, width in zip(row[1:-1], widths[1:-1], strict=True)
    ]
    return "  ".join([*cells, row[-1]]).rstrip()


def _time(spread: tuple[float, float, float] | None) -> str:
    if spread is None:
        return "-"
    middle, least, most = spread
    return f"{middle:.4f} ({least:.4f}-{most:.4f})"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _count(spread: tuple[float, float, float] | None) -> str:
    if spread is None:
        return "-"
    middle, least, most = spread
    return f"{middle:.0f}" if least == most else f"{middle:.0f} ({least:.0f}-{most:.0f})"

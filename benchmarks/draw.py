"""Draws the chart of chart.py.

python benchmarks/draw.py chart.json concurrency.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

#: The same file from the same figures, with text that can be searched.
STYLE: dict[Any, Any] = {"svg.hashsalt": "b24batch", "svg.fonttype": "none", "font.size": 9}


def draw(axes: Axes, line: dict[str, Any], color: str) -> None:
    """Draw one job: a point for each number of requests, and the other client as a dashed line."""
    numbers, times = zip(*line["points"], strict=True)
    axes.plot(numbers, times, "o-", color=color, label=line["title"])
    axes.axhline(line["fast_bitrix24"], linestyle=":", linewidth=1, color=color)
    axes.set_xticks(numbers)


def main() -> None:
    """Draw the figures of a file into another."""
    lines = json.loads(Path(sys.argv[1]).read_text())
    mpl.use("svg")
    with mpl.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
        for place, line in enumerate(lines):
            draw(axes, line, f"C{place}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("requests on their way at once (concurrency)")
        axes.set_ylabel("seconds")
        axes.grid(visible=True, which="both", linewidth=0.3)
        axes.plot([], [], ":", color="gray", label="fast_bitrix24, up to 50 requests at once")
        figure.legend(loc="outside upper left", frameon=False)
        figure.savefig(sys.argv[2], metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()

"""Draws a run: what a token costs, paced and flooded, and how that depends on the number of streams.

    python benchmarks/plot.py RESULTS.json PLOT.svg

A program of its own, since it runs in an environment of its own, which has matplotlib and nothing of the project.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def main(results: Path, target: Path) -> None:
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    # The same run gives the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    run: dict[str, Any] = json.loads(results.read_text())
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    _costs(left, run["alone"]["tokens"])
    _streams(right, run["streams"]["rows"])
    figure.savefig(target, metadata={"Date": None})


def _costs(axes: Any, rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(row["subject"] for row in rows))
    for offset, pace in ((0.2, "paced"), (-0.2, "flooded")):
        of_pace = {row["subject"]: row["us"] for row in rows if row["pace"] == pace}
        bars = axes.barh(
            [at + offset for at in range(len(names))], [of_pace.get(name, 0) for name in names], 0.38, label=pace
        )
        axes.bar_label(bars, fmt=" %.3g")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(1, 3000)
    axes.set_xlabel("CPU a token, microseconds (one core)")
    axes.legend(frameon=False)


def _streams(axes: Any, rows: list[dict[str, Any]]) -> None:
    for pace in dict.fromkeys(row["pace"] for row in rows if row["workers"] == 1):
        points = [(row["streams"], row["us"]) for row in rows if row["pace"] == pace and row["workers"] == 1]
        axes.plot(*zip(*points, strict=True), marker="o", label=pace)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("open streams")
    axes.set_ylabel("CPU a token of the gateway, microseconds")
    axes.legend(frameon=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

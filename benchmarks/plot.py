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

_COLOURS = {"paced": "tab:blue", "flooded": "tab:orange", "2,000 tokens/s": "tab:green"}


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
    for offset, pace in ((-0.2, "paced"), (0.2, "flooded")):
        of_pace = {row["subject"]: row["us"] for row in rows if row["pace"] == pace}
        places = [at + offset for at in range(len(names))]
        costs = [of_pace.get(name, 0) for name in names]
        axes.bar_label(axes.barh(places, costs, 0.38, label=pace, color=_COLOURS[pace]), fmt=" %.3g")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(1, 3000)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("CPU a token, microseconds (one core)")
    axes.legend(frameon=False)


def _streams(axes: Any, rows: list[dict[str, Any]]) -> None:
    of_one_worker = [row for row in rows if row["workers"] == 1]
    for pace, colour in _COLOURS.items():
        points = [(row["streams"], row["us"]) for row in of_one_worker if row["pace"] == pace]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=pace, color=colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1, 1000)
    axes.set_xticks([1, 8, 32, 128, 512, 1024], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("open streams")
    axes.set_ylabel("CPU a token of the gateway, microseconds")
    axes.legend(frameon=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

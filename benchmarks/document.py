"""Writes the figures of the last run into docs/performance.md, between two marks: `python -m benchmarks.document`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import report, results
from gateway.cli.layout import find_layout

BEGIN, END = "<!-- figures: written by python -m benchmarks.document -->", "<!-- end of the figures -->"


def page() -> Path:
    """The page that contains the figures."""
    return find_layout().root / "docs" / "performance.md"


def with_figures(text: str, figures: str) -> str:
    """The text of the page with `figures` in place of its present figures."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError("the page lacks the marks between which the figures stand")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def update() -> None:
    """Update the page from results/bench.json."""
    figures = report.markdown(results.read(results.FOLDER / "bench.json"))
    page().write_text(with_figures(page().read_text(), figures))


if __name__ == "__main__":
    update()
    sys.stdout.write(f"{page()}\n")

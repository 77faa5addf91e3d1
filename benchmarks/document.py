"""Puts the figures of the last run into docs/performance.md, between the marks: `python -m benchmarks.document`."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import report, results
from gateway.cli.layout import find_layout

BEGIN, END = "<!-- figures: written by python -m benchmarks.document -->", "<!-- end of the figures -->"


def page() -> Path:
    """What the figures are put into."""
    return find_layout().root / "docs" / "performance.md"


def with_figures(text: str, figures: str) -> str:
    """The page with these figures in place of those that it has."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError("the page lacks the marks between which the figures stand")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def update() -> None:
    """From bench.json as it lies in results/."""
    figures = report.markdown(results.read(results.FOLDER / "bench.json"))
    page().write_text(with_figures(page().read_text(), figures))


if __name__ == "__main__":
    update()
    sys.stdout.write(f"{page()}\n")

"""From runs to figures, from figures to goals, and onto the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import cost, document, report, results
from benchmarks.cost import Sample, TokenCost
from benchmarks.goals import GOALS, Goal, goal_table
from benchmarks.load import Seen
from benchmarks.meter import Usage
from benchmarks.results import Results
from benchmarks.sources import STEADY
from benchmarks.streams import Streams
from benchmarks.table import table

NOTHING = Results(machine={}, generator=None, alone=None, streams=None, memory=None, whole=None)


def sample(requests: int, tokens: int, cpu_seconds: float) -> Sample:
    seen = Seen(requests, 0, tokens + 2 * requests, tokens, 1, 1, 1.0, 2.0, 20.0, 25.0, 3.0, 4.0, 0.1, 2.0)
    return Sample(8, requests, tokens, Usage(cpu_seconds, 2.0, 0.5, 0.1), seen)


def test_fit_takes_the_requests_off() -> None:
    """300 us a request and 7 us a token are told apart, whatever the lengths."""
    runs = [sample(100, 100 * length, 100 * (300e-6 + length * 7e-6)) for length in (1, 50, 500)]
    assert cost.slope(runs) == pytest.approx(7)


def test_least_of_the_repeats_counts() -> None:
    """And the most stands beside it."""
    quiet, busy = sample(8, 1000, 0.010), sample(8, 1000, 0.015)
    row = cost.read_off("gateway", STEADY, [busy, quiet])
    assert (row.us, row.us_most, row.joined, row.tokens_per_second) == (10.0, 15.0, 1.0, 500)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(None, "not measured"), (9.0, "yes, and the stretch goal"), (15.0, "yes"), (15.1, "**no**")],
)
def test_verdict(measured: float | None, verdict: str) -> None:
    assert Goal("", "us", 15, lambda _: None, stretch=10).verdict(measured) == verdict


def test_at_least_turns_the_comparison() -> None:
    goal = Goal("", "times", 30, lambda _: None, at_least=True)
    assert (goal.verdict(30), goal.verdict(29.9)) == ("yes", "**no**")


def test_nothing_measured_is_nothing_met() -> None:
    """A part that was left out can't make a goal look reached."""
    assert goal_table(NOTHING).count("not measured") == len(GOALS)


def test_growth_is_between_the_cheapest_and_the_dearest() -> None:
    rows = [cost.read_off("gateway", STEADY, [sample(8, 1000, seconds)]) for seconds in (0.010, 0.013, 0.012)]
    other = TokenCost("gateway", "paced", 8, 99.0, 99.0, 1, 1.0, 1.0, 1.0, 0.1, 0.1)
    run = Results({}, None, None, Streams([*rows, other], {}), None, None)
    [growth] = [goal for goal in GOALS if goal.unit == "%"]
    assert growth.value(run) == pytest.approx(30)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    run = Results({"cores": "2"}, None, None, Streams([], {"paced": "too many"}), None, None)
    results.write(run, tmp_path / "deep" / "bench.json")
    assert results.read(tmp_path / "deep" / "bench.json") == run


def test_page_holds_the_figures_that_were_kept() -> None:
    """`python -m benchmarks.document` would write the page that is there."""
    figures = report.markdown(results.read(results.FOLDER / "bench.json"))
    text = document.page().read_text()
    assert document.with_figures(text, figures) == text


def test_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        document.with_figures("text", "figures")


def test_table_is_as_wide_as_what_is_in_it() -> None:
    assert table(["name", "us"], [["gateway", 1234.5], ["x", None]]) == (
        "| name    |    us |\n| ------- | ----: |\n| gateway | 1,234 |\n| x       |     - |"
    )

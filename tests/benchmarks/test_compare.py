"""Two versions beside each other: pairs of figures, their ratio and its verdict, and the trees that are compared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks import compare, trees
from benchmarks.compare import BASE, HEAD
from benchmarks.ratio import FEWEST, LIMIT, Pair, Ratio, ratio


def pairs(ratios: Sequence[float]) -> list[Pair]:
    return [Pair(10.0, 10.0 * each) for each in ratios]


def test_order_turns_with_each_round() -> None:
    """Each version comes first in every other round, the base in the first."""
    assert [compare.order(number) for number in range(3)] == [(BASE, HEAD), (HEAD, BASE), (BASE, HEAD)]


def test_ratio_is_head_to_base() -> None:
    """A head that takes more has a ratio above one."""
    assert Pair(base=8.0, head=10.0).ratio == 1.25


@pytest.mark.parametrize(("rounds", "rank"), [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6)])
def test_interval_has_the_ranks_of_the_tables(rounds: int, rank: int) -> None:
    """The ends are the ratios of the ranks that printed tables name for 95 %, in whatever order the rounds came."""
    found = ratio(pairs([*range(rounds, 0, -1)]))
    assert (found.low, found.high) == pytest.approx((rank, rounds + 1 - rank))


def test_wild_rounds_do_not_decide() -> None:
    """Three of fifteen rounds that something disturbed move neither the median nor the ends of the interval."""
    found = ratio(pairs([1.0] * 12 + [9.0] * 3))
    assert (found.median, found.low, found.high) == (1.0, 1.0, 1.0)


def test_too_few_rounds_are_refused() -> None:
    """Five pairs have no interval of 95 %."""
    with pytest.raises(ValueError, match="5 pairs"):
        ratio(pairs([1.0] * (FEWEST - 1)))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (LIMIT + 0.001, 1.2, "FAILS"),
        (LIMIT, 1.2, "passes, takes more"),
        (1.01, 1.04, "passes, takes more"),
        (0.9, 1.3, "passes"),
        (0.8, 0.99, "passes, takes less"),
    ],
)
def test_verdict_is_by_the_lower_end(low: float, high: float, verdict: str) -> None:
    """Only what is dearer beyond chance and beyond the limit fails."""
    found = Ratio((low + high) / 2, low, high)
    assert (found.verdict, found.fails) == (verdict, verdict == "FAILS")


def test_row_has_the_medians_of_both_versions() -> None:
    """The microseconds are medians of their own; the ratio is the median of the pairs' ratios, not theirs."""
    done = [Pair(10, 11), Pair(20, 22), Pair(40, 44), Pair(10, 11), Pair(30, 30), Pair(30, 30)]
    found = compare.row("token", done)
    assert (found.base, found.head) == (25, 26)
    assert found.ratio.median == pytest.approx(1.1)


def test_table_shows_ratios_to_a_thousandth() -> None:
    """Kind, both figures, ratio, interval and verdict stand in one line."""
    line = compare.markdown([compare.row("token, paced", [Pair(10, 11)] * FEWEST)]).splitlines()[-1]
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "token, paced",
        "10.0",
        "11.0",
        "1.100",
        "1.100 to 1.100",
        "FAILS",
    ]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit, with a package `gateway`."""
    package = tmp_path / "repository" / "gateway"
    package.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        (package / name).touch()
    git(package.parent, "init", "--quiet")
    git(package.parent, "add", ".")
    git(package.parent, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "Begin")
    return package.parent


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout


def test_checked_out_tree_is_that_of_the_commit(repository: Path, tmp_path: Path) -> None:
    """What the repository's own files have become since is not in it."""
    (repository / "gateway" / "later.py").touch()
    with trees.checked_out(repository, trees.commit(repository, "HEAD"), tmp_path / "tree") as tree:
        assert sorted(path.name for path in (tree / "gateway").iterdir()) == ["__init__.py", "__main__.py"]


def test_checked_out_tree_goes_whatever_happens(repository: Path, tmp_path: Path) -> None:
    """A run that fails leaves neither the folder nor a worktree that git knows of."""
    folder = tmp_path / "tree"
    with suppress(ZeroDivisionError), trees.checked_out(repository, trees.commit(repository, "HEAD"), folder):
        raise ZeroDivisionError
    assert not folder.exists()
    assert git(repository, "worktree", "list", "--porcelain").count("worktree ") == 1


@pytest.mark.parametrize("revision", ["nowhere", "--all"])
def test_unknown_revision_is_refused(repository: Path, revision: str) -> None:
    """What is no revision is named, also where it looks like an option."""
    with pytest.raises(RuntimeError, match=f"no revision {revision}"):
        trees.commit(repository, revision)


def test_tree_with_its_own_gateway_is_let_through(repository: Path) -> None:
    """A program that is started in the tree imports the package of the tree."""
    trees.require_own(Path(sys.executable), repository)


def test_tree_with_the_gateway_of_another_is_refused(repository: Path, tmp_path: Path) -> None:
    """A package that really lies elsewhere is named, and nothing is compared with itself."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "gateway").symlink_to(repository / "gateway")
    with pytest.raises(RuntimeError, match="not its own"):
        trees.require_own(Path(sys.executable), tree)

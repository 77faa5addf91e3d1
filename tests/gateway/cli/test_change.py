"""Twin of gateway/cli/change.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.change import change
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout, find_layout
from gateway.cli.supervise.endpoint import Running, published
from gateway.repository.wanted import read_wanted


class CheckoutWithCache(Layout):
    """The checkout, with a Triton of this test's as the one that runs."""

    folder: Path

    @property
    def running(self) -> Path:
        return self.folder / "running.json"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckoutWithCache:
    monkeypatch.setenv("TRITON_GATEWAY_STATE_DIR", str(tmp_path / "state"))
    layout = CheckoutWithCache(find_layout().root)
    object.__setattr__(layout, "folder", tmp_path)
    return layout


def test_a_model_of_what_runs_is_noted(layout: CheckoutWithCache, tmp_path: Path) -> None:
    """By the folder in which it lies."""
    model = tmp_path / "repository" / "llm"
    model.mkdir(parents=True)
    with published(layout.running, Running({}, (str(model.parent),))):
        change(layout, "unload", "llm")
        assert not read_wanted(tmp_path / "state").is_wanted(model)
        change(layout, "load", "llm")
        assert read_wanted(tmp_path / "state").is_wanted(model)


def test_it_is_noted_where_the_one_that_runs_looks(
    layout: CheckoutWithCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`up` may have been started with other settings than this shell has."""
    model = tmp_path / "repository" / "llm"
    model.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    theirs = {"TRITON_GATEWAY_STATE_DIR": str(tmp_path / "theirs")}
    with published(layout.running, Running(theirs, (str(model.parent),))):
        change(layout, "unload", "llm")
    assert not read_wanted(tmp_path / "theirs").is_wanted(model)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("name", ["other", "../repository", "", ".."])
def test_what_is_no_model_is_refused(layout: CheckoutWithCache, tmp_path: Path, name: str) -> None:
    """With the repositories that were looked into."""
    repository = tmp_path / "repository"
    repository.mkdir()
    with published(layout.running, Running({}, (str(repository),))), pytest.raises(Problem) as caught:
        change(layout, "load", name)
    assert str(repository) in caught.value.fix


def test_a_repository_that_is_away_is_named(layout: CheckoutWithCache, tmp_path: Path) -> None:
    """And the others are looked into all the same."""
    (tmp_path / "there" / "llm").mkdir(parents=True)
    repositories = (str(tmp_path / "away"), str(tmp_path / "there"))
    with published(layout.running, Running({}, repositories)):
        change(layout, "load", "llm")
        with pytest.raises(Problem) as caught:
            change(layout, "load", "other")
    assert repositories[0] in caught.value.fix


def test_without_a_triton_it_says_so(layout: CheckoutWithCache) -> None:
    """There is nothing to load into."""
    with pytest.raises(Problem, match="No Triton of this checkout runs"):
        change(layout, "load", "llm")

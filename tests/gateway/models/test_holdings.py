"""What one Triton has of each model."""

from __future__ import annotations

import pytest

from gateway.models.holdings import Holdings, State, read_index, state_of
from gateway.models.served import ModelNotServable
from gateway.triton.client import RepositoryModel


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("READY", "", State.READY),
        ("LOADING", "", State.LOADING),
        ("UNLOADING", "", State.GONE),
        ("UNAVAILABLE", "unloaded", State.GONE),
        ("UNAVAILABLE", "", State.GONE),
        ("UNAVAILABLE", "Internal: no such file", State.FAILED),
        ("", "", State.NEVER_LOADED),
    ],
)
def test_state_is_that_of_triton(state: str, reason: str, expected: State) -> None:
    """An unload and a failed load are the same state of Triton's; the reason tells them apart."""
    assert state_of(RepositoryModel("m", "1", state, reason)) is expected


def test_best_version_counts() -> None:
    """An old version that was unloaded takes nothing from a new one."""
    index = [RepositoryModel("m", "1", "UNAVAILABLE", "unloaded"), RepositoryModel("m", "2", "READY", "")]
    repository = read_index(index)
    assert repository.named(State.READY) == {"m"}
    assert repository.ready == {("m", "2")}


def test_triton_that_is_away_loses_nothing() -> None:
    """Its models stay known, and it serves none of them."""
    held = Holdings()
    held.serve("m")
    held.lose()
    assert (held.served, held.known) == (frozenset(), {"m"})
    held.take(read_index([]))
    assert held.known == frozenset()


def test_model_is_in_one_state_at_a_time() -> None:
    """Whatever came before."""
    held = Holdings()
    held.refuse("m", ModelNotServable("it offers no labels.json"))
    held.wait_for("m")
    assert (held.loading, held.obstacles) == ({"m"}, {})
    held.serve("m")
    assert (held.loading, held.served) == (frozenset(), {"m"})
    held.refuse("m", ModelNotServable("it offers no labels.json"))
    assert (held.served, held.known, set(held.obstacles)) == (frozenset(), frozenset(), {"m"})
    held.ignore("m")
    assert held.obstacles == {}
    held.serve("m")
    held.wait_for("m")
    held.ignore("m")
    assert held == Holdings()


def test_new_load_shows_in_what_a_model_says() -> None:
    """It says the same as long as it is the same; then it needs another look."""
    held = Holdings(seen=frozenset({("m", "1"), ("other", "1")}), served=frozenset({"m"}))
    assert not held.describe("m", {"context_length": 8})
    assert not held.describe("m", {"context_length": 8})
    assert held.describe("m", {"context_length": 16})
    assert held.seen == {("other", "1")}
    assert not held.describe("m", {"context_length": 16})


def test_new_load_shows_in_a_count_that_begins_anew() -> None:
    """Of those that are served; a model that was added has no count to fall below."""
    held = Holdings(seen=frozenset({("m", "1"), ("other", "1")}), served=frozenset({"m", "other"}))
    assert held.count({"m": 5, "other": 1, "foreign": 9}) == []
    assert held.count({"m": 6, "other": 1}) == []
    assert held.count({"m": 2, "other": 2}) == ["m"]
    assert held.seen == {("other", "1")}
    assert held.count({"m": 2, "other": 2}) == []


def test_nothing_is_compared_over_a_restart() -> None:
    """What Triton says afterwards is of another process, and is read in any case."""
    held = Holdings(served=frozenset({"m"}))
    held.describe("m", {"a": 1})
    held.count({"m": 5})
    held.lose()
    held.serve("m")
    assert held.count({"m": 1}) == []
    assert not held.describe("m", {"a": 2})

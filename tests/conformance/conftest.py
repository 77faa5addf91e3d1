"""Clients of other people's, unchanged, against the server that the environment names: `make conformance` sets it.

`--confcutdir` keeps the other tests' fixtures out of it; they need the gateway's environment.
"""

from __future__ import annotations

import pytest

from tests.conformance.target import Target

_target = Target.told()
if _target is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def target() -> Target:
    """Where to go."""
    assert _target is not None
    return _target


@pytest.fixture
def reasoner(target: Target) -> str:
    """A model that reasons."""
    return target.reasoner or pytest.skip("no reasoning model was named")


@pytest.fixture
def embedder(target: Target) -> str:
    """A model that embeds."""
    return target.embedder or pytest.skip("no embedding model was named")


@pytest.fixture
def tokenizer(target: Target) -> str:
    """The folder with the model's tokenizer."""
    return target.tokenizer or pytest.skip("no tokenizer was named")

"""The list of kinds: which of them a model is."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.models.embedding import EmbeddingModel
from gateway.models.generating import GeneratingModel
from gateway.models.kinds import KINDS
from gateway.models.moderation import ModerationModel
from gateway.models.pooling import PoolingModel
from gateway.models.served import ServedModel


@pytest.mark.parametrize(
    ("task", "description", "kind"),
    [
        ("generation", {}, GeneratingModel),
        ("generation", {"tasks": ["generate", "embed"]}, GeneratingModel),
        ("generation", {"tasks": ["embed", "score"]}, PoolingModel),
        ("embedding", {}, EmbeddingModel),
        ("moderation", {}, ModerationModel),
    ],
)
def test_model_is_of_one_kind(task: str, description: dict[str, Any], kind: type[ServedModel]) -> None:
    """No other fits, so that the order of the list does not matter."""
    assert [each for each in KINDS if each.task == task and each.fits(description)] == [kind]


def test_kinds_say_what_they_read() -> None:
    """Each wants a tokeniser at least, where there is one."""
    assert all("tokenizer.json" in kind.files for kind in KINDS)

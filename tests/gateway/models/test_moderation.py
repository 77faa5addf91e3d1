"""Moderators: their labels, and that a score comes for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from gateway.errors import ModelBroken
from gateway.models.moderation import Labels, ModerationModel, read_labels
from gateway.pooling import PoolingRequest, Rows
from gateway.triton.discovery import DiscoveredModel
from tests.fakes.models import TOKENIZER_JSON, source

WRITTEN = {"labels": ["rude", "weather"], "categories": {"rude": "harassment"}, "threshold": 0.5}


def test_labels_are_read() -> None:
    """Some stand for a category of OpenAI's, others for none."""
    assert read_labels(orjson.dumps(WRITTEN)) == Labels(("rude", "weather"), {"rude": "harassment"}, 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"categories": {"rude": "rudeness"}},
        {"categories": {"vile": "hate"}},
        {"threshold": "high"},
        {"labels": None},
        {"categories": 5},
    ],
    ids=["no category", "no label", "no number", "no list", "no table"],
)
def test_other_labels_are_refused(change: dict[str, Any]) -> None:
    """By errors that the loader knows."""
    with pytest.raises((TypeError, ValueError)):
        read_labels(orjson.dumps({**WRITTEN, **change}))


@pytest.mark.parametrize("missing", WRITTEN)
def test_missing_member_is_refused(missing: str) -> None:
    """Each of them is needed."""
    with pytest.raises(KeyError):
        read_labels(orjson.dumps({name: value for name, value in WRITTEN.items() if name != missing}))


def test_each_label_has_a_score() -> None:
    """A model that gives another number of them is at fault, not the client; its operator reads what to mend."""
    found = DiscoveredModel("toy-moderation", "moderation", max_batch_size=4, max_tokens=32)
    files = {"tokenizer.json": TOKENIZER_JSON, "labels.json": orjson.dumps(WRITTEN)}
    model = ModerationModel.load(source({}, files, found))
    assert (model.ops, model.max_model_len) == ({"moderate"}, 32)
    request = PoolingRequest("moderate", [[5]])
    model.check_rows(request, Rows(np.zeros((1, 2), np.float32), 1))
    with pytest.raises(ModelBroken, match=r"3 scores for the 2 labels of its labels\.json"):
        model.check_rows(request, Rows(np.zeros((1, 3), np.float32), 1))

"""A classifier's probabilities in OpenAI's shape."""

from __future__ import annotations

import pytest

from gateway.apis.moderations.service import to_result
from gateway.models.moderation import CATEGORIES, Labels

LABELS = Labels(("rude", "vile", "weather"), {"rude": "harassment", "vile": "harassment"}, 0.5)


@pytest.mark.parametrize(
    ("scores", "harassment", "flagged"),
    [
        ((0.1, 0.2, 0.9), 0.2, False),
        ((0.5, 0.2, 0.0), 0.5, True),
        ((0.0, 0.9, 0.0), 0.9, True),
        ((0.4, 0.49, 1.0), 0.49, False),
    ],
)
def test_category_has_its_highest_label(scores: tuple[float, ...], harassment: float, flagged: bool) -> None:
    """Labels share a category; one that maps to none flags nothing, and is told all the same."""
    result = to_result(LABELS, scores)
    assert result.flagged is result.categories["harassment"] is flagged
    assert result.category_scores["harassment"] == harassment
    assert result.labels == dict(zip(LABELS.labels, scores, strict=True))


def test_every_category_is_there() -> None:
    """Those that the model says nothing of are false and 0."""
    result = to_result(LABELS, (1.0, 1.0, 1.0))
    assert set(result.categories) == set(result.category_scores) == set(CATEGORIES)
    assert [name for name, value in result.categories.items() if value] == ["harassment"]

"""The fields of a moderation request: texts, alone or in parts of one input."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.apis.moderations.schema import ModerationRequest


@pytest.mark.parametrize(
    ("input_", "texts"),
    [
        ("a", ["a"]),
        ("", [""]),
        (["a", "b"], ["a", "b"]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ["a\nb"]),
    ],
)
def test_parts_are_one_text(input_: Any, texts: list[str]) -> None:
    """They belong together, where texts in a list are judged each by itself."""
    request = ModerationRequest.model_validate({"input": input_})
    assert (request.texts(), request.model) == (texts, None)


@pytest.mark.parametrize(
    "input_",
    [[], 5, None, [5], ["a", {"type": "text", "text": "b"}], [{"type": "image_url", "image_url": {"url": "x"}}]],
    ids=str,
)
def test_other_input_is_refused(input_: Any) -> None:
    """Images too: they are not left out in silence."""
    with pytest.raises(ValidationError):
        ModerationRequest.model_validate({"input": input_})

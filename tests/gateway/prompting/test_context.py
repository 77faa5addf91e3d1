"""Prompts against the context of a model."""

from __future__ import annotations

import pytest

from gateway.errors import ContextLengthExceeded
from gateway.prompting.context import completion_limit


@pytest.mark.parametrize(
    ("prompt_tokens", "asked", "expected"),
    [(1, None, None), (1, 1, 1), (4, 5, 5), (4, 6, 6), (4, 7, 6), (9, 1, 1), (9, 10, 1), (0, 10, 10)],
)
def test_answers_get_what_fits(prompt_tokens: int, asked: int | None, expected: int | None) -> None:
    """What was asked for, or the room that is left of ten tokens."""
    limit = completion_limit(context_length=10, prompt_tokens=prompt_tokens, asked=asked, param="messages")
    assert limit == expected


@pytest.mark.parametrize(("prompt_tokens", "asked"), [(10, None), (11, None), (10, 1), (1, 11), (12, 100)])
def test_what_can_never_fit_is_refused(prompt_tokens: int, asked: int | None) -> None:
    """No room for one token, or more asked for than the model ever gives."""
    with pytest.raises(ContextLengthExceeded) as caught:
        completion_limit(context_length=10, prompt_tokens=prompt_tokens, asked=asked, param="prompt")
    assert caught.value.param == "prompt"

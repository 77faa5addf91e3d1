"""Errors in words and numbers that clients match on; that each is told right is for `tests/contract/test_errors.py`."""

from __future__ import annotations

import pytest

from gateway.errors import (
    BadRequest,
    ContextLengthExceeded,
    GatewayError,
    InternalError,
    ModelNotFound,
    Overloaded,
    RequestTooLarge,
    not_taken,
)


@pytest.mark.parametrize(
    ("prompt_tokens", "max_tokens", "words"),
    [
        (
            10,
            None,
            "However, your messages resulted in 10 tokens. Please reduce the length of the messages.",
        ),
        (12, 5, "However, your messages resulted in 12 tokens. Please reduce the length of the messages."),
        (
            4,
            11,
            "However, you requested 15 tokens (4 in the messages, 11 in the completion)."
            " Please reduce the length of the messages or the completion.",
        ),
    ],
)
def test_context_length_is_explained(prompt_tokens: int, max_tokens: int | None, words: str) -> None:
    """Who is to blame, the prompt alone or prompt and answer, and what to make shorter."""
    error = ContextLengthExceeded(
        context_length=10, prompt_tokens=prompt_tokens, max_tokens=max_tokens, param="messages"
    )
    assert error.message == f"This model's maximum context length is 10 tokens. {words}"
    assert (error.status, error.param, error.code) == (400, "messages", "context_length_exceeded")


def test_code_is_the_classs_unless_given() -> None:
    """An empty one is one too."""
    assert Overloaded("full").code == "rate_limit_exceeded"
    assert Overloaded("full", code="other").code == "other"
    assert Overloaded("full", code="").code == ""
    assert BadRequest("bad").code is None


def test_field_that_is_not_taken_is_named() -> None:
    """In OpenAI's words for it."""
    error = not_taken("seed", "has no meaning here")
    assert error.message == "Unsupported parameter: 'seed' has no meaning here."
    assert (error.status, error.param, error.code) == (400, "seed", "unsupported_parameter")


def test_model_is_named_and_nothing_else() -> None:
    """To the letter what OpenAI says, whether it is not there or not allowed."""
    error = ModelNotFound("m")
    assert error.message == "The model `m` does not exist or you do not have access to it."
    assert (error.status, error.param, error.code) == (404, None, "model_not_found")


def test_only_the_hopeless_forbids_a_retry() -> None:
    """The others say nothing of it, and clients go by the status."""
    assert RequestTooLarge(limit=5, requested=9).should_retry is False
    assert "Limit 5, Requested 9." in RequestTooLarge(limit=5, requested=9).message
    assert Overloaded("full").should_retry is InternalError().should_retry is None


def test_error_is_its_message() -> None:
    """For logs, and for `raise … from`."""
    assert str(GatewayError("what happened")) == "what happened"
    assert GatewayError("what happened", retry_after_s=2.5).retry_after_s == 2.5

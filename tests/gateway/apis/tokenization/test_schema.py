"""The fields of tokenisation: a prompt or a conversation, and ids for the way back."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.apis.chat.schema import ChatCompletionRequest
from gateway.apis.tokenization.schema import DetokenizeRequest, TokenizeRequest

HI: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"add_generation_prompt": False},
        {"continue_final_message": True},
        {"chat_template_kwargs": {"thinking": True}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
    ],
    ids=str,
)
def test_conversation_is_that_of_a_chat(fields: dict[str, Any]) -> None:
    """With the same fields, so that the tokens are those that the chat would have."""
    body = {"model": "m", "messages": HI, **fields}
    tokenized = TokenizeRequest.model_validate(body).conversation()
    assert tokenized == ChatCompletionRequest.model_validate(body).conversation()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": HI}, "prompt"),
        ({"messages": HI, "continue_final_message": True, "add_generation_prompt": True}, "add_generation_prompt"),
        ({"prompt": "a", "chat_template": "x"}, "chat_template"),
        ({"prompt": "a", "mm_processor_kwargs": {"x": 1}}, "mm_processor_kwargs"),
    ],
)
def test_contradiction_is_named(fields: dict[str, Any], param: str) -> None:
    """An empty prompt is one."""
    assert TokenizeRequest.model_validate({"model": "m", "prompt": ""}).prompt == ""
    with pytest.raises(ValidationError) as caught:
        TokenizeRequest.model_validate({"model": "m", **fields})
    [error] = caught.value.errors()
    assert error["ctx"]["param"] == param


@pytest.mark.parametrize("tokens", [[-1], [2**31], ["a"], [1.0], [[5]], "a", None], ids=str)
def test_other_tokens_are_refused(tokens: Any) -> None:
    """None at all make an empty text."""
    assert DetokenizeRequest.model_validate({"model": "m", "tokens": []}).tokens == []
    with pytest.raises(ValidationError):
        DetokenizeRequest.model_validate({"model": "m", "tokens": tokens})

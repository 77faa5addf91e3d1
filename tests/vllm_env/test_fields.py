"""No field of vLLM's own server is missing from the gateway's schemas."""

from __future__ import annotations

import pytest
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest as VllmChat
from vllm.entrypoints.openai.completion.protocol import CompletionRequest as VllmCompletion
from vllm.entrypoints.serve.tokenize import protocol as vllm_tokens

from gateway.schemas.chat import ChatCompletionRequest
from gateway.schemas.completions import CompletionRequest
from gateway.schemas.tokenization import DetokenizeRequest, TokenizeRequest


@pytest.mark.parametrize(
    ("ours", "vllms"),
    [
        (ChatCompletionRequest, VllmChat),
        (CompletionRequest, VllmCompletion),
        (TokenizeRequest, vllm_tokens.TokenizeChatRequest),
        (TokenizeRequest, vllm_tokens.TokenizeCompletionRequest),
        (DetokenizeRequest, vllm_tokens.DetokenizeRequest),
    ],
)
def test_every_field_of_vllm_is_declared(ours, vllms):
    """A newer vLLM that knows more fails here until somebody has decided what becomes of it."""
    assert vllms.model_fields.keys() <= ours.model_fields.keys() | ours.hints.keys() | ours.refused.keys()


@pytest.mark.parametrize(("ours", "vllms"), [(ChatCompletionRequest, VllmChat), (CompletionRequest, VllmCompletion)])
def test_everything_passed_on_is_known_to_vllm(ours, vllms):
    """The backend refuses a field that vLLM does not know, and then the client would be blamed."""
    assert ours.passed_on <= vllms.model_fields.keys()

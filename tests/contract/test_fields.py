"""No field that a client may know of is missing from the schemas; `tests/vllm_env/test_fields.py` says so of vLLM's."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from openai.types import completion_create_params, embedding_create_params, moderation_create_params
from openai.types.chat import completion_create_params as chat_create_params

from docs.compatibility import rows
from gateway.apis.chat.schema import ChatCompletionRequest
from gateway.apis.completions.schema import CompletionRequest
from gateway.apis.embeddings.schema import EmbeddingRequest
from gateway.apis.moderations.schema import ModerationRequest
from gateway.wire.common import WireRequest


def declared(request: type[WireRequest]) -> set[str]:
    names = {field.alias or name for name, field in request.model_fields.items()}
    return names | request.hints.keys() | request.refused.keys()


@pytest.mark.parametrize(
    ("request_type", "parameters"),
    [
        (ChatCompletionRequest, chat_create_params.CompletionCreateParamsStreaming),
        (ChatCompletionRequest, chat_create_params.CompletionCreateParamsNonStreaming),
        (CompletionRequest, completion_create_params.CompletionCreateParamsStreaming),
        (CompletionRequest, completion_create_params.CompletionCreateParamsNonStreaming),
        (EmbeddingRequest, embedding_create_params.EmbeddingCreateParams),
        (ModerationRequest, moderation_create_params.ModerationCreateParams),
    ],
)
def test_every_parameter_of_the_sdk_is_declared(request_type: type[WireRequest], parameters: Any) -> None:
    """A newer SDK that knows more fails here until somebody has decided what becomes of it."""
    assert set(get_type_hints(parameters)) <= declared(request_type)


@pytest.mark.parametrize(
    "request_type", [ChatCompletionRequest, CompletionRequest, EmbeddingRequest, ModerationRequest]
)
def test_field_is_treated_in_one_way(request_type: type[WireRequest]) -> None:
    """Honoured, a hint or refused: the three don't overlap, here and in what stands inside."""
    treatments: dict[str, set[str]] = {}
    for row in rows(request_type):
        treatments.setdefault(row.field, set()).add(row.treatment)
    assert all(len(treatment) == 1 for treatment in treatments.values()), treatments


@pytest.mark.parametrize("request_type", [ChatCompletionRequest, CompletionRequest])
def test_everything_passed_on_is_a_field(request_type: type[ChatCompletionRequest]) -> None:
    """What reaches the engine has been checked here."""
    assert request_type.passed_on <= request_type.model_fields.keys()

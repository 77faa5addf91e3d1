"""Fields that all endpoints of pooling have."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.apis.embeddings.schema import EmbeddingRequest
from gateway.apis.moderations.schema import ModerationRequest
from gateway.apis.scoring.schema import ClassifyRequest, RerankRequest, ScoreRequest
from gateway.pooling import Tokenizing
from gateway.wire.pooling import PoolingBody, TokenizedBody

BODIES: dict[type[PoolingBody], dict[str, Any]] = {
    EmbeddingRequest: {"model": "m", "input": "a"},
    ModerationRequest: {"input": "a"},
    ClassifyRequest: {"model": "m", "input": "a"},
    ScoreRequest: {"model": "m", "queries": "q", "documents": "d"},
    RerankRequest: {"model": "m", "query": "q", "documents": ["d"]},
}
of_every_kind = pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)


@of_every_kind
@pytest.mark.parametrize("field", ["normalize", "padding", "mm_processor_kwargs", "cache_salt"])
def test_what_would_change_the_answer_is_refused(kind: type[PoolingBody], field: str) -> None:
    """By name."""
    with pytest.raises(ValidationError) as caught:
        kind.model_validate({**BODIES[kind], field: "max_length"})
    assert caught.value.errors()[0]["ctx"]["param"] == field


@of_every_kind
def test_what_asks_for_nothing_is_taken(kind: type[PoolingBody]) -> None:
    """Hints, and null."""
    kind.model_validate(
        {**BODIES[kind], "user": "u", "priority": 1, "request_id": "r", "padding": "do_not_pad", "normalize": None}
    )


@pytest.mark.parametrize("kind", [kind for kind in BODIES if issubclass(kind, TokenizedBody)])
def test_fields_say_how_to_tokenise(kind: type[TokenizedBody]) -> None:
    """Special tokens unless they are not wanted."""
    assert kind.model_validate(BODIES[kind]).tokenizing == Tokenizing(None, None, True)
    given = {"truncate_prompt_tokens": 5, "truncation_side": "left", "add_special_tokens": False}
    assert kind.model_validate({**BODIES[kind], **given}).tokenizing == Tokenizing(5, "left", False)

"""The fields of scores, ranks and classes: their names, and their forms."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from gateway.apis.scoring.schema import ClassifyRequest, RerankRequest, ScoreRequest

SCORE = {"model": "m", "queries": "q", "documents": "d"}
RERANK = {"model": "m", "query": "q", "documents": ["d"]}
CLASSIFY = {"model": "m", "input": "a"}


@pytest.mark.parametrize("queries", ["queries", "text_1", "data_1"])
@pytest.mark.parametrize("documents", ["documents", "text_2", "data_2", "items"])
def test_pairs_have_several_names(queries: str, documents: str) -> None:
    """Those of vLLM and of others; what stands alone is a list of one."""
    request = ScoreRequest.model_validate({"model": "m", queries: "q", documents: ["d", "e"]})
    assert request.pairs() == (["q"], ["d", "e"])


def test_document_may_be_an_object() -> None:
    """With a text, as Cohere's clients send it."""
    request = RerankRequest.model_validate({**RERANK, "documents": ["d", {"text": "e"}]})
    assert request.texts() == ["d", "e"]


@pytest.mark.parametrize(("input_", "inputs"), [("a", ["a"]), (["a", "b"], ["a", "b"])])
def test_inputs_are_a_list(input_: Any, inputs: list[str]) -> None:
    """Of texts, each with classes of its own."""
    assert ClassifyRequest.model_validate({"model": "m", "input": input_}).inputs() == inputs


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ScoreRequest, {**SCORE, "documents": []}),
        (ScoreRequest, {**SCORE, "queries": [""]}),
        (ScoreRequest, {**SCORE, "queries": [[5]]}),
        (ScoreRequest, {**SCORE, "truncate_prompt_tokens": 5}),
        (ScoreRequest, {**SCORE, "max_tokens_per_query": 5}),
        (ScoreRequest, {**SCORE, "instruction": "i"}),
        (ScoreRequest, {**SCORE, "normalize": True}),
        (RerankRequest, {**RERANK, "chat_template_kwargs": {}}),
        (RerankRequest, {**RERANK, "top_n": -1}),
        (RerankRequest, {**RERANK, "documents": [{"title": "d"}]}),
        (RerankRequest, {**RERANK, "rank_fields": ["title"]}),
        (RerankRequest, {**RERANK, "max_tokens_per_doc": 5}),
        (ClassifyRequest, {**CLASSIFY, "input": [5]}),
        (ClassifyRequest, {**CLASSIFY, "messages": [{}]}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_would_change_the_numbers_is_refused(kind: type[BaseModel], fields: dict[str, Any]) -> None:
    """Like what is not there, or of another kind."""
    with pytest.raises(ValidationError):
        kind.model_validate(fields)


def test_harmless_fields_are_taken() -> None:
    """Those that ask for what is done anyway, and hints."""
    unlimited = {"max_tokens_per_query": 0, "max_tokens_per_doc": 0}
    ScoreRequest.model_validate({**SCORE, **unlimited, "user": "u", "priority": 3, "truncation_side": "left"})
    assert RerankRequest.model_validate({**RERANK, "top_n": 0, "return_documents": False}).top_n == 0

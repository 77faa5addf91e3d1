"""Models and their sources without a Triton: the toy tokeniser, and what a description says."""

from __future__ import annotations

from typing import Any

from gateway.models.generating import GeneratingModel
from gateway.models.served import ModelSource
from gateway.prompting.template import ChatTemplate
from gateway.prompting.tokenizer import Tokenizer, Tokenizers
from gateway.triton.discovery import GENERATION, DiscoveredModel
from tests.fakes.tokenizer import CHAT_TEMPLATE, SPECIAL_TOKENS, toy_tokenizer
from tests.fakes.triton import CONTEXT_LENGTH

TOKENIZER_JSON = toy_tokenizer().to_str().encode()
TOKENIZER = Tokenizer(TOKENIZER_JSON)


def generating(**changes: Any) -> GeneratingModel:
    """A model that chats by the toy template, unless changed."""
    template = ChatTemplate(CHAT_TEMPLATE, SPECIAL_TOKENS, TOKENIZER.added_tokens)
    members = {"tokenizer": TOKENIZER, "template": template, "context_length": CONTEXT_LENGTH, **changes}
    return GeneratingModel(name="m", created=1700000000, **members)


def source(
    description: dict[str, Any] | None = None,
    files: dict[str, bytes] | None = None,
    discovered: DiscoveredModel | None = None,
) -> ModelSource:
    """All that Triton tells of a model; with a tokeniser unless `files` says otherwise."""
    return ModelSource(
        discovered or DiscoveredModel("m", GENERATION),
        {"context_length": CONTEXT_LENGTH} if description is None else description,
        {"tokenizer.json": TOKENIZER_JSON} if files is None else files,
        Tokenizers(),
        1700000000,
    )

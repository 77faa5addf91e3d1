"""`/v1/models`, as OpenAI documents it and vLLM adds to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.wire.common import Wire


class ModelCard(Wire):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "triton"
    root: str = Field(description="As in vLLM: the model's own name, where `id` is an alias of it.")
    parent: str | None = Field(description="As in vLLM: the model that an adapter was loaded into.")
    max_model_len: int | None = Field(description="As in vLLM: the most tokens that it takes.")


class ModelList(Wire):
    object: Literal["list"] = "list"
    data: list[ModelCard]

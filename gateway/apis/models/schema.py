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
    root: str = Field(description="As in vLLM: the model's own name, if `id` is an alias.")
    parent: str | None = Field(description="As in vLLM: the base model of an adapter.")
    max_model_len: int | None = Field(description="As in vLLM: the maximum number of tokens that the model accepts.")


class ModelList(Wire):
    object: Literal["list"] = "list"
    data: list[ModelCard]

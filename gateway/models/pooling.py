"""Pooling models on vLLM: they speak our contract, and say in their description that they do not generate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self, cast, get_args

import orjson

from gateway.models.rows import RowsModel
from gateway.models.served import ModelSource, generates, reading
from gateway.pooling import Op, PoolingRequest, Rows
from gateway.triton.client import TritonClient
from gateway.triton.pool import pool

_OPS: Final = frozenset(get_args(Op))


@dataclass(frozen=True, slots=True)
class PoolingModel(RowsModel):
    """It gives vectors, classes or scores. `labels` name its classes, where its configuration does."""

    kind: ClassVar[str] = "pooling"
    task: ClassVar[str] = "generation"
    files: ClassVar[frozenset[str]] = frozenset({"tokenizer.json", "config.json"})

    context_length: int
    tasks: frozenset[Op]
    labels: tuple[str, ...] = ()

    @classmethod
    def fits(cls, description: Mapping[str, Any]) -> bool:
        return not generates(description)

    @classmethod
    def load(cls, source: ModelSource) -> Self:
        description, tokenizer = source.description, source.tokenizer()
        with reading("config.json"):
            labels = class_names(source.files.get("config.json", b"{}"))
        return cls(
            source.discovered.name,
            source.created,
            tokenizer,
            int(description["context_length"]),
            frozenset(cast("Op", task) for task in description["tasks"] if task in _OPS),
            labels,
        )

    @property
    def ops(self) -> frozenset[Op]:
        return self.tasks

    @property
    def max_model_len(self) -> int:
        return self.context_length

    async def pool(self, client: TritonClient, request: PoolingRequest, *, timeout_s: float) -> Rows:
        return await pool(client, self.name, request, timeout_s=timeout_s)


def class_names(config_json: bytes) -> tuple[str, ...]:
    """`id2label` of a model's configuration, in the order of its ids; empty where they are not 0, 1, 2, …"""
    names: dict[str, Any] = orjson.loads(config_json).get("id2label") or {}
    if set(names) != {str(number) for number in range(len(names))}:
        return ()
    return tuple(str(names[str(number)]) for number in range(len(names)))

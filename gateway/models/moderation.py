"""Moderators: PyTorch models that say `openai_task: moderation`, with `labels.json` beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import orjson

from gateway.errors import ModelBroken
from gateway.models.encoder import EncoderModel
from gateway.models.served import ModelSource, reading
from gateway.pooling import Op, PoolingRequest, Rows

CATEGORIES: Final[tuple[str, ...]] = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""All of OpenAI's categories; each result names every one of them."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the columns of a classifier's output mean: the label, OpenAI's category for it, and when it is flagged."""

    labels: tuple[str, ...]
    categories: Mapping[str, str]
    threshold: float


@dataclass(frozen=True, slots=True)
class ModerationModel(EncoderModel):
    """Its rows are probabilities, one a label."""

    kind: ClassVar[str] = "moderation"
    task: ClassVar[str] = "moderation"
    files: ClassVar[frozenset[str]] = frozenset({"tokenizer.json", "labels.json"})

    labels: Labels

    @classmethod
    def load(cls, source: ModelSource) -> Self:
        found, tokenizer = source.discovered, source.tokenizer()
        content = source.file("labels.json")
        with reading("labels.json"):
            labels = read_labels(content)
        return cls(found.name, source.created, tokenizer, found.max_tokens, found.max_batch_size, labels)

    def check_rows(self, request: PoolingRequest, rows: Rows) -> None:
        width, labels = rows.values.shape[1], len(self.labels.labels)
        if width != labels:
            raise ModelBroken(self.name, f"it gives {width} scores for the {labels} labels of its labels.json")

    @property
    def ops(self) -> frozenset[Op]:
        return frozenset({"moderate"})


def read_labels(labels_json: bytes) -> Labels:
    """`labels.json` (docs/contract.md). Raises KeyError, TypeError or ValueError when it is none."""
    content = orjson.loads(labels_json)
    labels = Labels(tuple(content["labels"]), dict(content["categories"]), float(content["threshold"]))
    unknown = set(labels.categories.values()) - set(CATEGORIES)
    if unknown or set(labels.categories) - set(labels.labels):
        raise ValueError(f"labels.json maps what is not a label, or to what is no category: {sorted(unknown)}")
    return labels

"""The kinds of models that are served, a line each. A model is of the first kind that has its task and fits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.models.embedding import EmbeddingModel
from gateway.models.generating import GeneratingModel
from gateway.models.moderation import ModerationModel
from gateway.models.pooling import PoolingModel
from gateway.models.served import ServedModel

KINDS: Final[Sequence[type[ServedModel]]] = (
    GeneratingModel,
    PoolingModel,
    EmbeddingModel,
    ModerationModel,
)

"""The APIs: a folder each, and a line each in APIS. Nothing outside of this room knows any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.apis.chat.routes import CHAT
from gateway.apis.completions.routes import COMPLETIONS
from gateway.apis.embeddings.routes import EMBEDDINGS
from gateway.apis.models.routes import MODELS
from gateway.apis.moderations.routes import MODERATIONS
from gateway.apis.operations.routes import OPERATIONS
from gateway.apis.scoring.routes import SCORING
from gateway.apis.tokenization.routes import TOKENIZATION
from gateway.web.api import Api

APIS: Final[Sequence[Api]] = (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    MODERATIONS,
    MODELS,
    SCORING,
    TOKENIZATION,
    OPERATIONS,
)

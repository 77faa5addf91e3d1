"""The moderation use case: a classifier's labels to OpenAI's categories."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence

from gateway.apis.moderations.schema import CATEGORIES, ModerationRequest, ModerationResponse, ModerationResult
from gateway.dispatch.encoding import Encoder
from gateway.errors import InternalError
from gateway.models.catalog import Catalog
from gateway.models.kinds import Labels, ModerationModel

log = logging.getLogger(__name__)


class ModerationService:
    """`/v1/moderations`."""

    def __init__(self, catalog: Catalog, encoder: Encoder) -> None:
        self._catalog = catalog
        self._encoder = encoder

    async def create(self, request: ModerationRequest) -> ModerationResponse:
        """A result for each input. Raises GatewayError."""
        if request.model is None:
            model = self._catalog.default(ModerationModel)
        else:
            model = self._catalog.get(request.model, ModerationModel)
        ids = await model.tokenizer.encode(request.texts(), add_special_tokens=True)
        rows = await self._encoder.encode(model, ids)
        if rows.values.shape[1] != len(model.labels.labels):
            log.error(
                "model %s gives %d scores for %d labels", model.name, rows.values.shape[1], len(model.labels.labels)
            )
            raise InternalError
        results = [to_result(model.labels, row.tolist()) for row in rows.values]
        return ModerationResponse(
            id=f"modr-{secrets.token_hex(16)}", model=request.model or model.name, results=results
        )


def to_result(labels: Labels, probabilities: Sequence[float]) -> ModerationResult:
    """One text's probabilities, a number for each label, in OpenAI's shape.

    A category has the highest score of the labels that map to it. Categories that no label maps to are false and 0: this
    model says nothing of them.
    """
    by_label = dict(zip(labels.labels, probabilities, strict=True))
    scores = dict.fromkeys(CATEGORIES, 0.0)
    for label, category in labels.categories.items():
        scores[category] = max(scores[category], by_label[label])
    flagged = {category: score >= labels.threshold for category, score in scores.items()}
    return ModerationResult(
        flagged=any(flagged.values()),
        categories=flagged,
        category_scores=scores,
        category_applied_input_types={category: ["text"] for category in CATEGORIES},
        labels=by_label,
    )

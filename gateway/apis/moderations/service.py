"""The moderation use case: a classifier's labels to OpenAI's categories."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apis.moderations.schema import ModerationRequest, ModerationResponse, ModerationResult
from gateway.core import Core
from gateway.ids import new_id
from gateway.models.moderation import CATEGORIES, Labels, ModerationModel
from gateway.pooling import PoolingRequest
from gateway.prompting.cutting import pooling_ids


async def create(core: Core, request: ModerationRequest) -> ModerationResponse:
    """A result for each input. Raises GatewayError."""
    if request.model is None:
        model = core.catalog.default(ModerationModel)
    else:
        model = core.catalog.get(request.model, ModerationModel)
    ids = await pooling_ids(
        model.tokenizer,
        request.texts(),
        request.tokenizing,
        longest=model.max_model_len,
        param="input",
        may_be_empty=True,  # nothing is said, which is harmless
    )
    with await core.admission.acquire() as permit:
        rows = await core.pooler.pool(model, PoolingRequest("moderate", ids), permit)
    results = [to_result(model.labels, row.tolist()) for row in rows.values]
    return ModerationResponse(id=new_id("modr-"), model=request.model or model.name, results=results)


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

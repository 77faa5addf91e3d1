"""`/v1/models`."""

from __future__ import annotations

from gateway.apis.models.schema import ModelCard, ModelList
from gateway.models.served import ServedModel
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf

router = json_router("/v1")
MODELS = Api(router)


@router.get("/models", response_model=ModelList)
async def list_models(core: CoreOf) -> ModelList:
    """All models that the key may use, under all their names."""
    return ModelList(data=[_card(name, model) for name, model in core.catalog.offered().items()])


@router.get("/models/{model:path}", response_model=ModelCard)
async def retrieve_model(model: str, core: CoreOf) -> ModelCard:
    """One of them."""
    return _card(model, core.catalog.find(model))


def _card(name: str, model: ServedModel) -> ModelCard:
    return ModelCard(
        id=name,
        created=model.created,
        root=model.name,
        parent=model.base,
        max_model_len=model.max_model_len or None,
    )

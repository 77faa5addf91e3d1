"""LoRA adapters as served models: each is the model it was loaded into, under a name of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from gateway.models.kinds import GeneratingModel, ServedModel

log = logging.getLogger(__name__)


def with_adapters(models: Mapping[str, ServedModel], loaded: Mapping[str, Iterable[str]]) -> dict[str, ServedModel]:
    """The models, with those adapters that are `loaded` now (by the name of their model) and no others.

    A name that a model has is not given away: the adapter is not served then.
    """
    served = {name: model for name, model in models.items() if not _is_adapter(model)}
    for name, adapters in loaded.items():
        model = served.get(name)
        if not isinstance(model, GeneratingModel):
            continue
        for adapter in adapters:
            if adapter in served and not _is_adapter(served[adapter]):
                log.warning("the adapter %s of %s has the name of a model and is not served", adapter, name)
                continue
            known = models.get(adapter)
            created = known.created if known is not None else model.created
            served[adapter] = replace(model, name=adapter, created=created, base=name)
    return served


def _is_adapter(model: ServedModel) -> bool:
    return isinstance(model, GeneratingModel) and model.base is not None

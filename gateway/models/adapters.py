"""LoRA adapters as served models: each is the model it was loaded into, under a name of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from gateway.models.served import ServedModel

log = logging.getLogger(__name__)


def with_adapters(models: Mapping[str, ServedModel], loaded: Mapping[str, Iterable[str]]) -> dict[str, ServedModel]:
    """The models, with those adapters that are `loaded` now (by the name of their model) and no others.

    An adapter with the name of a model is not served: the model keeps its name.
    """
    served = {name: model for name, model in models.items() if model.base is None}
    for name, adapters in loaded.items():
        model = served.get(name)
        if model is None or model.base is not None:
            continue
        for adapter in adapters:
            if adapter in served and served[adapter].base is None:
                log.warning("the adapter %s of %s has the name of a model and is not served", adapter, name)
                continue
            known = models.get(adapter)
            adapted = model.with_adapter(adapter, model.created if known is None else known.created)
            if adapted is not None:
                served[adapter] = adapted
    return served

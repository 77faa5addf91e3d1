"""What an API needs from the rest: everything that lives as long as the application, made in its lifespan (`app.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.pooler import Pooler
from gateway.dispatch.responder import Responder
from gateway.limits.admission import Admission
from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.prompting.turn import Prompting
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Core:
    """The endpoints of every API are functions of a request and this.

    `catalog` finds the model, `prompting` is what it makes prompts with, `admission` gives permits. `dispatcher` runs
    a generation, `responder` makes an answer of its outputs, `pooler` makes vectors, classes and scores.
    """

    settings: Settings
    catalog: Catalog
    health: Health
    prompting: Prompting
    admission: Admission
    dispatcher: Dispatcher
    responder: Responder
    pooler: Pooler

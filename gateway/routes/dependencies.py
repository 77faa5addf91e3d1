"""What handlers are given: the services of this application, each by a typed alias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.errors import BadRequest
from gateway.schemas.common import RequestBody
from gateway.services.catalog import Catalog
from gateway.services.chat import ChatService
from gateway.services.classification import ModerationService
from gateway.services.completions import CompletionService
from gateway.services.embeddings import EmbeddingService
from gateway.services.health import Health
from gateway.services.scoring import ScoringService
from gateway.services.tokenization import TokenizationService
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that lives as long as the application; made in its lifespan."""

    settings: Settings
    catalog: Catalog
    health: Health
    chat: ChatService
    completions: CompletionService
    embeddings: EmbeddingService
    moderations: ModerationService
    scoring: ScoringService
    tokenization: TokenizationService

    def check(self, request: RequestBody) -> None:
        """Raises BadRequest for a field that nobody knows, where the settings say so."""
        if self.settings.strict and (unknown := request.unknown_fields()):
            raise BadRequest(
                f"Unrecognized request argument supplied: {unknown[0]}", param=unknown[0], code="unknown_parameter"
            )


def _services(request: Request) -> Services:
    return cast("Services", request.state.services)


ServicesOf = Annotated[Services, Depends(_services)]

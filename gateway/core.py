"""What handlers are given: the services of this application, each by a typed alias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.apis.chat.service import ChatService
from gateway.apis.completions.service import CompletionService
from gateway.apis.embeddings.service import EmbeddingService
from gateway.apis.moderations.service import ModerationService
from gateway.apis.scoring.service import ScoringService
from gateway.apis.tokenization.service import TokenizationService
from gateway.errors import BadRequest
from gateway.models.catalog import Catalog
from gateway.models.health import Health
from gateway.settings import Settings
from gateway.wire.common import RequestBody


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

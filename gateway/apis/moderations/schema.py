"""`/v1/moderations`, as OpenAI documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from gateway.wire.common import NonEmptyStr, Refused, Wire
from gateway.wire.messages import TextPart
from gateway.wire.pooling import PoolingBody, TokenizedBody


def _kind_of_input(value: object) -> str:
    if not isinstance(value, list):
        return "text"
    return "parts" if value and isinstance(value[0], dict) else "texts"


ModerationInput = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[list[str], Field(min_length=1, max_length=2048), Tag("texts")]
    | Annotated[list[TextPart], Field(min_length=1, max_length=2048), Tag("parts")],
    Discriminator(_kind_of_input),
]


class ModerationRequest(TokenizedBody):
    refused: ClassVar[Mapping[str, Refused]] = {
        **PoolingBody.refused,
        "use_activation": Refused("scores are probabilities", (True,)),
    }

    input: ModerationInput
    model: NonEmptyStr | None = None

    def texts(self) -> list[str]:
        """The texts to judge; the parts of one multi-part input belong together."""
        if isinstance(self.input, str):
            return [self.input]
        texts = [text for text in self.input if isinstance(text, str)]
        if texts:
            return texts
        return ["\n".join(part.text for part in self.input if isinstance(part, TextPart))]


class ModerationResult(Wire):
    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text"]]]
    labels: dict[str, float] = Field(
        description="Not in OpenAI's API: the probability of each of the model's own labels."
    )


class ModerationResponse(Wire):
    id: str
    model: str
    results: list[ModerationResult]

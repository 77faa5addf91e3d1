"""`/score`, `/rerank` and `/classify`, which OpenAI has not: in vLLM's shapes, which Jina's clients read too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Discriminator, Field, Tag

from gateway.wire.answers import is_none
from gateway.wire.common import NonEmptyStr, PromptUsage, Refused, Wire, WireRequest
from gateway.wire.inputs import MAX_INPUTS
from gateway.wire.pooling import PoolingBody, TokenizedBody

_CUT = Refused("what is too long is refused, not truncated")
_TEMPLATE = Refused("the model joins a query and a document in its own way")
_ACTIVATION = "vLLM's: with false, the model's output before its activation; models that embed give the same scores."


class _PairsBody(PoolingBody):
    """Queries and documents are tokenised together, by the model's backend."""

    refused: ClassVar[Mapping[str, Refused]] = {
        **PoolingBody.refused,
        "truncate_prompt_tokens": _CUT,
        "max_tokens_per_query": Refused(_CUT.reason, (0,)),
        "max_tokens_per_doc": Refused(_CUT.reason, (0,)),
        "instruction": _TEMPLATE,
        "chat_template_kwargs": _TEMPLATE,
        "activation": Refused("vLLM has removed it; give 'use_activation' instead", (True,)),
    }
    hints: ClassVar[Mapping[str, str]] = {
        **PoolingBody.hints,
        "truncation_side": "it bears on `truncate_prompt_tokens`",
    }

    use_activation: bool | None = Field(None, description=_ACTIVATION)


def _kind_of_texts(value: object) -> str:
    return "texts" if isinstance(value, list) else "text"


Texts = Annotated[
    Annotated[NonEmptyStr, Tag("text")]
    | Annotated[list[NonEmptyStr], Field(min_length=1, max_length=MAX_INPUTS), Tag("texts")],
    Discriminator(_kind_of_texts),
]


class ScoreRequest(_PairsBody):
    """One query for all documents, or one for each."""

    model: NonEmptyStr
    queries: Texts = Field(
        validation_alias=AliasChoices("queries", "text_1", "data_1"),
        description="Also accepted as `text_1` or `data_1`.",
    )
    documents: Texts = Field(
        validation_alias=AliasChoices("documents", "text_2", "data_2", "items"),
        description="Also accepted as `text_2`, `data_2` or `items`.",
    )

    def pairs(self) -> tuple[list[str], list[str]]:
        """Queries and documents as lists."""
        return (
            [self.queries] if isinstance(self.queries, str) else self.queries,
            [self.documents] if isinstance(self.documents, str) else self.documents,
        )


class TextDocument(WireRequest):
    text: NonEmptyStr


def _kind_of_document(value: object) -> str:
    return "text" if isinstance(value, str) else "object"


Document = Annotated[
    Annotated[NonEmptyStr, Tag("text")] | Annotated[TextDocument, Tag("object")], Discriminator(_kind_of_document)
]


class RerankRequest(_PairsBody):
    refused: ClassVar[Mapping[str, Refused]] = {**_PairsBody.refused, "rank_fields": Refused("a document is one text")}

    model: NonEmptyStr
    query: NonEmptyStr
    documents: Annotated[list[Document], Field(min_length=1, max_length=MAX_INPUTS)]
    top_n: int | None = Field(None, ge=0, description="The number of results; all results if missing or 0.")
    return_documents: bool | None = Field(None, description="With false, the results do not contain the documents.")

    def texts(self) -> list[str]:
        """The documents as texts."""
        return [document if isinstance(document, str) else document.text for document in self.documents]


class ClassifyRequest(TokenizedBody):
    refused: ClassVar[Mapping[str, Refused]] = {
        **TokenizedBody.refused,
        "activation": Refused("vLLM has removed it; give 'use_activation' instead", (True,)),
    }

    model: NonEmptyStr
    input: Texts
    use_activation: bool | None = Field(None, description="vLLM's: with false, `probs` are the model's logits.")

    def inputs(self) -> list[str]:
        """The inputs; what stands alone as a list of one."""
        return [self.input] if isinstance(self.input, str) else self.input


class Score(Wire):
    index: int
    object: Literal["score"] = "score"
    score: float


class ScoreResponse(Wire):
    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    data: list[Score]
    usage: PromptUsage


class RankedDocument(Wire):
    text: str


class Ranked(Wire):
    """`index` is the place of the document in the request."""

    index: int
    document: RankedDocument | None = Field(None, exclude_if=is_none)
    relevance_score: float


class RerankResponse(Wire):
    id: str
    model: str
    usage: PromptUsage
    results: list[Ranked]


class Classified(Wire):
    index: int
    label: str | None = Field(
        description="The most likely class; null if the model's configuration has no class names."
    )
    probs: list[float]
    num_classes: int


class ClassifyResponse(Wire):
    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    data: list[Classified]
    usage: PromptUsage

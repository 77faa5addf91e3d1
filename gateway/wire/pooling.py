"""What the endpoints of pooling share: embeddings, moderations, scores and classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from pydantic import Field

from gateway.pooling import Tokenizing
from gateway.wire.common import Refused, RequestBody

_OPERATORS = Refused("it is for the operator of the server to set")
_CHATS: Final = "it bears on `messages`, which are not taken"


class PoolingBody(RequestBody):
    """Fields of vLLM's protocol that all its pooling endpoints have, but for those that a class below honours."""

    hints: ClassVar[Mapping[str, str]] = {
        "user": "the gateway does not distinguish users",
        "priority": "inputs do not wait for other inputs",
        "request_id": "the header `x-request-id` identifies a request",
    }
    refused: ClassVar[Mapping[str, Refused]] = {
        "normalize": Refused("vLLM has removed it; give 'use_activation' instead"),
        "padding": Refused("inputs are not padded to the longest that the model takes", ("do_not_pad",)),
        "mm_processor_kwargs": _OPERATORS,
        "cache_salt": _OPERATORS,
    }


class TokenizedBody(PoolingBody):
    """The inputs are tokenised here."""

    hints: ClassVar[Mapping[str, str]] = {
        **PoolingBody.hints,
        "add_generation_prompt": _CHATS,
        "continue_final_message": _CHATS,
        "chat_template": _CHATS,
        "chat_template_kwargs": _CHATS,
        "media_io_kwargs": _CHATS,
    }
    refused: ClassVar[Mapping[str, Refused]] = {**PoolingBody.refused, "messages": Refused("inputs are texts")}

    truncate_prompt_tokens: int | None = Field(
        None,
        ge=-1,
        description="vLLM's: the number of tokens of an input to keep; -1 keeps as many as the model takes.",
    )
    truncation_side: Literal["left", "right"] | None = Field(
        None,
        description="vLLM's: the side on which an input is truncated, special tokens included. If not given, texts lose"
        " their end and keep the tokeniser's special tokens.",
    )
    add_special_tokens: bool | None = Field(
        None, description="vLLM's: whether the tokeniser adds its special tokens to texts; default true."
    )

    @property
    def tokenizing(self) -> Tokenizing:
        """How the inputs become tokens."""
        return Tokenizing(self.truncate_prompt_tokens, self.truncation_side, self.add_special_tokens is not False)

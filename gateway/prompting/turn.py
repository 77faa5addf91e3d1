"""One turn of a model, neutral of the API that asks for it.

    schema ── turn() ──> Turn ── GeneratingModel.prepare ──> GenerationRequest
                                 │ conversation: images read, template applied, tokenised; or left to the backend
                                 └ texts or token ids: tokenised, cut, limited

Chat, completions and tokenisation share this way; so will every other API that generates text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway.errors import not_taken
from gateway.generation import Api, SamplingParams
from gateway.prompting.conversation import Conversation
from gateway.prompting.images.reading import Images

_PROMPT_FIELDS: Final[Mapping[Api, str]] = {"chat": "messages", "completions": "prompt"}
_LIMIT_FIELDS: Final[Mapping[Api, str]] = {"chat": "max_completion_tokens", "completions": "max_tokens"}


@dataclass(frozen=True, slots=True)
class Turn:
    """What a model is asked to continue, and how.

    `prompts` is one conversation, or texts, or rows of token ids. `api` picks the request class with which vLLM reads
    `params`. `limit`: the most tokens of an answer; None leaves it to the engine.
    """

    api: Api
    prompts: Conversation | Sequence[str] | Sequence[list[int]]
    params: SamplingParams
    limit: int | None = None
    # Whether there is no prompt, so that the model begins a text.
    begins: bool = False
    # Whether the tokeniser adds its special tokens; None: with texts it does, behind a chat template it does not.
    special_tokens: bool | None = None
    # So many tokens of the prompt are kept (`prompting/context.py`), cut at this side.
    keep: int | None = None
    keep_side: Literal["left", "right"] | None = None
    # The field that lists what may be called; None where nothing may be.
    tools_param: str | None = None
    # Whether the answer begins with the prompt's tokens, which then have to be known here.
    echoes_tokens: bool = False

    @property
    def param(self) -> str:
        """The field that holds the prompt, for errors."""
        return _PROMPT_FIELDS[self.api]

    @property
    def limit_field(self) -> str:
        """The name of the parameter that limits the answer."""
        return _LIMIT_FIELDS[self.api]

    def refuse_token_fields(self, model: str) -> None:
        """Raises BadRequest for a field that can't be honoured where only the backend knows the tokens of a prompt."""
        for field, value in (("truncate_prompt_tokens", self.keep), ("add_special_tokens", self.special_tokens)):
            if value is not None:
                raise not_taken(field, f"is not taken for `{model}`, whose prompts its backend makes")
        if self.echoes_tokens:
            raise not_taken("echo", f"of tokens and of their log-probabilities is not available for `{model}`")


@dataclass(frozen=True, slots=True)
class Prompting:
    """What every model needs to make prompts. `template_arguments`: the variables of chat templates that clients may
    set. `reads_controls`: whether what looks like a control token in a conversation becomes one."""

    images: Images
    template_arguments: Collection[str]
    reads_controls: bool = False

    def check_arguments(self, conversation: Conversation) -> None:
        """Raises BadRequest for a variable of the template that clients may not set."""
        for name in conversation.named_arguments:
            if name not in self.template_arguments:
                raise not_taken(f"chat_template_kwargs.{name}", "is not among those that may be set here")


def backend_fields(conversation: Conversation, params: SamplingParams) -> dict[str, Any]:
    """The fields that a backend which renders needs besides the messages, by the names of vLLM's own API. `params` are sent
    in any case."""
    fields: dict[str, Any] = {}
    if "documents" in conversation.arguments:
        fields["documents"] = conversation.arguments["documents"]
    if not conversation.asks_for_turn:
        fields["add_generation_prompt"] = False
    if conversation.continues:
        fields["continue_final_message"] = True
    if conversation.tools is not None and "tools" not in params:
        # The template shows the tools to the model, which must not call any.
        fields["tools"], fields["tool_choice"] = conversation.tools, "none"
    return fields

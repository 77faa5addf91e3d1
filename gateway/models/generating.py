"""Language models: they speak our contract, and generate text."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self, cast

import orjson

from gateway.answers.logprobs import TokenNames
from gateway.errors import BadRequest, not_taken
from gateway.generation import DroppingSink, GenerationRequest, Messages
from gateway.ids import new_id
from gateway.models.served import PROBE_TEXT, ModelSource, ServedModel, generates, reading
from gateway.prompting.context import completion_limit, truncated
from gateway.prompting.controls import AddedToken
from gateway.prompting.conversation import Conversation
from gateway.prompting.inputs import token_ids
from gateway.prompting.template import ChatTemplate
from gateway.prompting.tokenizer import Tokenizer
from gateway.prompting.turn import Prompting, Turn, backend_fields
from gateway.triton.client import TritonClient
from gateway.triton.generate import generate

_BEGINNINGS: Final = ("bos_token", "eos_token")
_SPECIAL_TOKENS: Final = (*_BEGINNINGS, "pad_token", "unk_token")


@dataclass(frozen=True, slots=True)
class GeneratingModel(ServedModel):
    """A language model. `template` is None where the weights bring none: such a model completes but does not chat, unless
    its backend renders (`renders_itself`), which then gets every chat. `tokenizer` is None where only the backend has one.
    `calls_tools`: the backend has a parser for the tool calls that the model writes. `loaded_into` is set for an adapter:
    the model that has it. `images`: how many a prompt may have. `beginning`: the token behind which a text begins; OpenAI's
    models have `<|endoftext|>` (https://platform.openai.com/docs/api-reference/completions/create). None: none is known."""

    kind: ClassVar[str] = "generating"
    task: ClassVar[str] = "generation"
    files: ClassVar[frozenset[str]] = frozenset({"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})

    context_length: int
    tokenizer: Tokenizer | None
    template: ChatTemplate | None
    calls_tools: bool = False
    loaded_into: str | None = None
    renders_itself: bool = False
    images: int = 0
    beginning: int | None = None

    @classmethod
    def fits(cls, description: Mapping[str, Any]) -> bool:
        return generates(description)

    @classmethod
    def load(cls, source: ModelSource) -> Self:
        description = source.description
        renders_itself = description.get("renderer") == "backend"
        has_tokenizer = "tokenizer.json" in source.files or not renders_itself
        tokenizer = source.tokenizer() if has_tokenizer else None
        with reading("chat template or tokenizer_config.json"):
            template = read_template(source.files, tokenizer.added_tokens if tokenizer else ())
        return cls(
            source.discovered.name,
            source.created,
            int(description["context_length"]),
            tokenizer,
            template,
            calls_tools=description.get("tool_parser") is not None,
            renders_itself=renders_itself,
            images=int(cast("dict[str, Any]", description.get("media") or {}).get("image", 0)),
            beginning=None if tokenizer is None else _beginning(source.files, tokenizer),
        )

    @property
    def max_model_len(self) -> int:
        return self.context_length

    @property
    def abilities(self) -> frozenset[str]:
        chats = self.renders_itself or self.template is not None
        return frozenset({"complete", "chat"} if chats else {"complete"})

    @property
    def base(self) -> str | None:
        return self.loaded_into

    @property
    def triton_name(self) -> str:
        """The model of Triton's that is asked."""
        return self.loaded_into or self.name

    @property
    def adapter(self) -> str | None:
        """The adapter that it is asked for."""
        return None if self.loaded_into is None else self.name

    def with_adapter(self, name: str, created: int) -> GeneratingModel:
        return replace(self, name=name, created=created, loaded_into=self.name, further_names=())

    @property
    def known_tokenizer(self) -> Tokenizer | None:
        return self.tokenizer

    @property
    def known_template(self) -> ChatTemplate | None:
        return None if self.renders_itself else self.template

    def token_names(self, *, by_id: bool) -> TokenNames:
        """How the log-probabilities of its answers name tokens."""
        return TokenNames(by_id) if self.tokenizer is None else TokenNames(by_id, self.tokenizer.bytes.part)

    async def probe(self, client: TritonClient, *, timeout_s: float) -> None:
        turn = Turn("completions", [PROBE_TEXT], {"temperature": 0.0, "stream": False}, limit=1)
        [request] = await self._complete(turn, [PROBE_TEXT])
        await generate(client, request, DroppingSink(), stall_timeout_s=timeout_s)

    async def prepare(self, turn: Turn, prompting: Prompting) -> list[GenerationRequest]:
        """The requests for the backend, one a prompt. Raises BadRequest, naming the field, for what this model can't do or
        its template refuses, and ContextLengthExceeded."""
        if turn.tools_param is not None and not self.calls_tools:
            raise BadRequest(
                f"The model `{self.name}` has no tool parser, so its tool calls could not be separated from its text.",
                param=turn.tools_param,
                code="unsupported_parameter",
            )
        if not isinstance(turn.prompts, Conversation):
            return await self._complete(turn, turn.prompts)
        conversation = turn.prompts
        prompting.check_arguments(conversation)
        images = await prompting.images.read(conversation.images, model=self.name, taken=self.images)
        if self.renders_itself:
            turn.refuse_token_fields(self.name)
            params = {**turn.params, **backend_fields(conversation, turn.params)}
            return [self._request(turn, None, Messages(conversation.messages, images), params)]
        return [await self._chat(turn, conversation, prompting)]

    async def _chat(self, turn: Turn, conversation: Conversation, prompting: Prompting) -> GenerationRequest:
        """The request for a conversation that is rendered and tokenised here."""
        if self.template is None or self.tokenizer is None:
            raise BadRequest(
                f"The model `{self.name}` has no chat template; use /v1/completions.",
                param="model",
                code="invalid_value",
            )
        for field, variables in conversation.needs.items():
            if self.template.variables.isdisjoint(variables):
                raise not_taken(field, f"is not taken by the chat template of `{self.name}`")
        prompt = self.template.render(conversation, reads_controls=prompting.reads_controls)
        ids = await self.tokenizer.encode_prompt(prompt, add_special_tokens=bool(turn.special_tokens))
        return self._request(turn, ids)

    async def _complete(self, turn: Turn, prompts: Sequence[str] | Sequence[list[int]]) -> list[GenerationRequest]:
        """The requests for texts or token ids. A text that only the backend can tokenise goes there as it is."""
        if turn.begins:
            return [self._request(turn, [self._known_beginning()])]
        if self.tokenizer is None:
            turn.refuse_token_fields(self.name)
            return [
                self._request(turn, None, prompt) if isinstance(prompt, str) else self._request(turn, prompt)
                for prompt in prompts
            ]
        special = turn.special_tokens is not False
        rows = await token_ids(self.tokenizer, prompts, param=turn.param, add_special_tokens=special)
        return [self._request(turn, ids) for ids in rows]

    def _known_beginning(self) -> int:
        if self.beginning is None:
            raise BadRequest(
                f"The model `{self.name}` has no token behind which a text begins; give a 'prompt'.",
                param="prompt",
                code="missing_required_parameter",
            )
        return self.beginning

    def _request(
        self,
        turn: Turn,
        ids: MutableSequence[int] | None,
        unrendered: Messages | str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> GenerationRequest:
        """One prompt, cut as was asked for, with the limit that the context leaves to the answer."""
        prompt = None
        if ids is not None:
            prompt = array("i", truncated(ids, turn.keep, turn.keep_side, context_length=self.context_length))
        # How long a prompt is that only the backend can tokenise is for the backend to judge.
        limit = completion_limit(
            context_length=self.context_length,
            prompt_tokens=len(prompt or ()),
            asked=turn.limit,
            param=turn.param,
        )
        options = dict(turn.params if params is None else params)
        if limit is not None:
            options[turn.limit_field] = max(
                1, limit
            )  # the engine can't make nothing; AnswerPlan.is_empty leaves it out
        return GenerationRequest(new_id(), self.triton_name, turn.api, prompt, options, self.adapter, unrendered)


def read_template(files: Mapping[str, bytes], added_tokens: Collection[AddedToken] = ()) -> ChatTemplate | None:
    """The chat template: a file of its own in newer models, a member of the tokeniser's configuration in older ones."""
    config = _config(files)
    source = files["chat_template.jinja"].decode() if "chat_template.jinja" in files else config.get("chat_template")
    if not isinstance(source, str):
        return None
    return ChatTemplate(source, _special_tokens(config, _SPECIAL_TOKENS), added_tokens)


def _beginning(files: Mapping[str, bytes], tokenizer: Tokenizer) -> int | None:
    texts = _special_tokens(_config(files), _BEGINNINGS).values()
    return next((known for text in texts if (known := tokenizer.token_id(text)) is not None), None)


def _config(files: Mapping[str, bytes]) -> dict[str, Any]:
    return orjson.loads(files.get("tokenizer_config.json", b"{}"))


def _special_tokens(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """The texts of those that the model has."""
    tokens = {name: _token_text(config.get(name)) for name in names}
    return {name: text for name, text in tokens.items() if text is not None}


def _token_text(token: Any) -> str | None:
    """A special token is written as a string, or as an object with its properties."""
    return cast("dict[str, Any]", token)["content"] if isinstance(token, dict) else token

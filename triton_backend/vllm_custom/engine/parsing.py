"""vLLM's own tool and reasoning parsers, fed with the engine's outputs. They are imported when an engine starts.

    request ── Parsers.reader ──► Reader ── read(step) ──► step with `parsed` beside the text
                   │ the parsers may add to the request: a grammar that makes a tool call certain, special tokens kept

A stream is parsed delta by delta as it comes, a whole answer once, both by the methods that `vllm serve` uses for it. Each
choice has a parser of its own, because a parser remembers what it has read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..contract.outputs import StepOutput
from ..contract.parsed import ParsedStep
from ..contract.plan import Plan
from ..errors import ConfigError
from . import versions
from .choice_readers import ChoiceReader, StreamReader, WholeReader
from .generation import Generation, Step
from .parser_names import ParserNames, refuse_tools

if TYPE_CHECKING:
    from vllm.config import ModelConfig
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest
    from vllm.parser import Parser
    from vllm.tokenizers import TokenizerLike


class Parsers:
    """The parsers of one model, found by name."""

    def __init__(self, names: ParserNames, tokenizer: TokenizerLike, model_config: ModelConfig | None = None) -> None:
        """Raises ConfigError for a name that vLLM does not know, or a parser that the tokenizer does not suit."""
        self.names = names
        self._tokenizer = tokenizer
        self._model_config = model_config
        try:
            self._parser_class = versions.get_parser_class(
                tokenizer,
                tool_parser_name=names.tool,
                reasoning_parser_name=names.reasoning,
                enable_auto_tools=names.tool is not None,
                model_name=None if model_config is None else model_config.model,
                is_harmony=model_config is not None and model_config.hf_config.model_type == "gpt_oss",
            )
        except (ImportError, TypeError) as error:
            raise ConfigError(f"vllm_custom: {error} ({error.__cause__}). {_known()}") from error

    def reader(
        self,
        request: ChatCompletionRequest | CompletionRequest,
        prompt_token_ids: Sequence[int],
        *,
        adjusted: bool = False,
    ) -> Reader | None:
        """The reader of this request's answer, after the parsers have added to the request what they need (unless
        that was done when it was rendered); None where there is nothing to parse. Raises BadRequest, and what vLLM raises
        for tools that make no grammar."""
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        if not isinstance(request, ChatCompletionRequest):
            return None
        if self.names.tool is None:
            refuse_tools({"tools": request.tools, "tool_choice": request.tool_choice})
        if self._parser_class is None or not self._is_needed(self._parser_class, request):
            return None
        make = self._maker(self._parser_class, request)
        scout = make()
        if not adjusted:
            scout.adjust_request(request)
        return Reader(
            make, request, list(prompt_token_ids), scout, self._tokenizer, auto_tools=self.names.tool is not None
        )

    def _is_needed(self, parser_class: type[Parser], request: ChatCompletionRequest) -> bool:
        calls = self.names.tool is not None and bool(request.tools) and request.tool_choice != "none"
        return calls or self.names.reasoning is not None or versions.always_adjusts(parser_class)

    def _maker(self, parser_class: type[Parser], request: ChatCompletionRequest) -> Callable[[], Parser]:
        template_arguments = request.build_chat_params(None, "auto").chat_template_kwargs
        return lambda: parser_class(
            self._tokenizer,
            request.tools,
            chat_template_kwargs=template_arguments,
            model_config=self._model_config,
        )


class Reader:
    """Parses the outputs of one request, with a parser for each choice."""

    def __init__(
        self,
        make: Callable[[], Parser],
        request: ChatCompletionRequest,
        prompt_token_ids: list[int],
        scout: Parser,
        tokenizer: TokenizerLike,
        *,
        auto_tools: bool,
    ) -> None:
        self._make = make
        self._request = request
        self._prompt_token_ids = prompt_token_ids
        self._tokenizer = tokenizer
        self._auto_tools = auto_tools
        self._readers: dict[int, ChoiceReader] = {}
        self.engine_arguments: Mapping[str, Any] = {
            "reasoning_ended": versions.reasoning_ended(request, scout, prompt_token_ids),
            "reasoning_parser_kwargs": _template_arguments(request, scout),
        }
        """What the engine has to know to begin structured outputs behind the reasoning."""

    def restrict(self, plan: Plan) -> Plan:
        """The plan without log probabilities and ids of tokens, where these would show reasoning that is not wanted."""
        if self._request.include_reasoning:
            return plan
        return replace(plan, alternatives=None, token_ids=False)

    def read(self, step: StepOutput) -> ParsedStep:
        """The step with each choice's text split into answer, reasoning and calls; linear in what is new, as far as vLLM's
        parser is."""
        return ParsedStep(
            [self._reader(output.index).read(output) for output in step.outputs],
            step.finished,
            step.num_cached_tokens,
            getattr(step, "prompt_token_ids", None),
            getattr(step, "prompt_logprobs", None),
        )

    def _reader(self, index: int) -> ChoiceReader:
        reader = self._readers.get(index)
        if reader is None:
            reader = self._readers[index] = self._new_reader()
        return reader

    def _new_reader(self) -> ChoiceReader:
        if self._request.stream:
            return StreamReader(self._make(), self._request, self._prompt_token_ids)
        return WholeReader(
            self._make, self._request, self._prompt_token_ids, self._tokenizer, auto_tools=self._auto_tools
        )


class ParsedGeneration:
    """See `generation.Generation`: another generation, with its outputs parsed."""

    __slots__ = ("_inner", "_reader", "plan")

    def __init__(self, inner: Generation, reader: Reader) -> None:
        self._inner = inner
        self._reader = reader
        self.plan = reader.restrict(inner.plan)

    async def follow(self, step: Step) -> bool:
        read = self._reader.read
        return await self._inner.follow(lambda output: step(read(output)))

    async def abort(self) -> None:
        await self._inner.abort()


def _template_arguments(request: ChatCompletionRequest, parser: Parser) -> dict[str, Any] | None:
    if parser.reasoning_parser is None:
        return None
    return {"chat_template_kwargs": request.build_chat_params(None, "auto").chat_template_kwargs}


def _known() -> str:
    from vllm.reasoning import ReasoningParserManager
    from vllm.tool_parsers import ToolParserManager

    tools, reasoning = ToolParserManager.list_registered(), ReasoningParserManager.list_registered()
    return f"Tool parsers: {', '.join(tools)}. Reasoning parsers: {', '.join(reasoning)}"

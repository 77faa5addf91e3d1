"""The text of one choice through vLLM's parsers, as it comes or at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..contract.outputs import ChoiceOutput
from ..contract.parsed import ParsedChoice, joined
from . import versions
from .pieces import pieces

if TYPE_CHECKING:
    from vllm.entrypoints.generate.base.protocol import DeltaMessage, FunctionCall
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.parser import Parser
    from vllm.tokenizers import TokenizerLike


class ChoiceReader(Protocol):
    """Parses the text of one choice."""

    def read(self, output: ChoiceOutput) -> ParsedChoice: ...


class StreamReader:
    """One choice of a stream, parsed delta by delta."""

    def __init__(self, parser: Parser, request: ChatCompletionRequest, prompt_token_ids: list[int]) -> None:
        self._parser = parser
        self._request = request
        self._prompt_token_ids = prompt_token_ids
        self._token_ids: list[int] = []
        # The arguments of each call, in pieces.
        self._arguments: dict[int, list[str]] = {}

    def read(self, output: ChoiceOutput) -> ParsedChoice:
        self._token_ids += output.token_ids
        ended = output.finish_reason is not None
        message = self._parser.parse_delta(
            output.text,
            list(output.token_ids),
            self._request,
            self._prompt_token_ids,
            # At the end of an answer a parser closes what is open: a call that was broken off would look complete.
            finished=ended and not may_be_broken_off(output, self._request),
        )
        calls = [] if message is None else _deltas(message, self._request)
        for call in calls:
            self._arguments.setdefault(call["index"], []).append(call["arguments"])
        text = (message.content or "") if message is not None else ""
        # Not every version of vLLM leaves out by itself what is not wanted.
        reasoning = message.reasoning if message is not None and self._request.include_reasoning else None
        parsed = _parsed(reasoning, calls)
        return ParsedChoice(
            output.index,
            text,
            output.token_ids,
            output.logprobs,
            _finish_reason(output, self._request, ["".join(pieces) for pieces in self._arguments.values()])
            if ended
            else None,
            output.stop_reason,
            parsed,
            output.cumulative_logprob,
            versions.reasoning_tokens(self._parser, self._token_ids) if ended else None,
        )


class WholeReader:
    """One choice of an answer that comes whole, parsed once; token by token where a call may have been broken off, which
    only then reads as it does in a stream, and where it matters which token is part of what."""

    def __init__(
        self,
        make: Callable[[], Parser],
        request: ChatCompletionRequest,
        prompt_token_ids: list[int],
        tokenizer: TokenizerLike,
        *,
        auto_tools: bool,
    ) -> None:
        self._make = make
        self._request = request
        self._prompt_token_ids = prompt_token_ids
        self._tokenizer = tokenizer
        self._auto_tools = auto_tools

    def read(self, output: ChoiceOutput) -> ParsedChoice:
        broken_off = may_be_broken_off(output, self._request)
        steps = self._steps(output) if broken_off or output.logprobs is not None else []
        text, parsed, arguments = _folded(steps) if broken_off else self._at_once(output)
        return ParsedChoice(
            output.index,
            text,
            output.token_ids,
            output.logprobs,
            _finish_reason(output, self._request, arguments),
            output.stop_reason,
            parsed,
            output.cumulative_logprob,
            versions.reasoning_tokens(self._parser(), output.token_ids),
            steps,
        )

    def _parser(self) -> Parser:
        parser = self._make()
        versions.set_prompt(parser, self._prompt_token_ids)
        return parser

    def _at_once(self, output: ChoiceOutput) -> tuple[str, dict[str, Any], list[str]]:
        reasoning, content, functions = self._parser().parse(
            output.text,
            self._request,
            enable_auto_tools=self._auto_tools,
            model_output_token_ids=list(output.token_ids),
        )
        calls = _calls(functions or (), self._request)
        parsed = _parsed(reasoning if self._request.include_reasoning else None, calls)
        return content or "", parsed, [call["arguments"] for call in calls]

    def _steps(self, output: ChoiceOutput) -> list[ParsedChoice]:
        reader = StreamReader(self._make(), self._request, self._prompt_token_ids)
        texts = pieces(
            self._tokenizer, output.token_ids, output.text, skip_special_tokens=bool(self._request.skip_special_tokens)
        )
        last = len(output.token_ids) - 1
        return [reader.read(_step(output, place, text, is_last=place == last)) for place, text in enumerate(texts)]


def may_be_broken_off(output: ChoiceOutput, request: ChatCompletionRequest) -> bool:
    """Whether the answer ended where the model did not end it, and a call may have been open."""
    may_call = bool(request.tools) and request.tool_choice != "none"
    return may_call and (output.finish_reason == "length" or isinstance(output.stop_reason, str))


def _step(output: ChoiceOutput, place: int, text: str, *, is_last: bool) -> ParsedChoice:
    """One token of a whole answer, as a stream would bring it."""
    return ParsedChoice(
        output.index,
        text,
        output.token_ids[place : place + 1],
        None if output.logprobs is None else output.logprobs[place : place + 1],
        output.finish_reason if is_last else None,
        output.stop_reason if is_last else None,
        {},
    )


def _folded(steps: Sequence[ParsedChoice]) -> tuple[str, dict[str, Any], list[str]]:
    parsed = joined([step.parsed for step in steps if step.parsed]) or {}
    arguments = [call["arguments"] for call in parsed.get("tool_calls", ())]
    return "".join([step.text for step in steps]), parsed, arguments


def _parsed(reasoning: str | None, calls: list[dict[str, Any]]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    if reasoning:
        parsed["reasoning"] = reasoning
    if calls:
        parsed["tool_calls"] = calls
    return parsed


def _finish_reason(output: ChoiceOutput, request: ChatCompletionRequest, arguments: Sequence[str]) -> str | None:
    """OpenAI says `tool_calls` where the model chose to call, and `stop` where the client named the function; a call that
    was broken off is none that can be made."""
    chose = output.finish_reason == "stop" and request.tool_choice in ("auto", "required", None)
    return "tool_calls" if chose and arguments and all(map(_is_json, arguments)) else output.finish_reason


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _deltas(message: DeltaMessage, request: ChatCompletionRequest) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = []
    for call in message.tool_calls:
        if call.index > 0 and request.parallel_tool_calls is False:
            continue
        name = None if call.function is None else call.function.name
        arguments = None if call.function is None else call.function.arguments
        deltas.append(_call(call.index, call.id, name, arguments or ""))
    return deltas


def _calls(functions: Sequence[FunctionCall], request: ChatCompletionRequest) -> list[dict[str, Any]]:
    wanted = functions[:1] if request.parallel_tool_calls is False else functions
    return [_call(index, call.id, call.name, call.arguments) for index, call in enumerate(wanted)]


def _call(index: int, call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    if name is not None and call_id is None:
        call_id = versions.make_tool_call_id()
    return {"index": index, "id": call_id, "name": name, "arguments": arguments}

"""The text of one choice through vLLM's parsers, as it comes or at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..contract.outputs import ChoiceOutput
from ..contract.parsed import ParsedChoice, joined
from . import versions
from .pieces import pieces
from .reasoning_tokens import reasoning_tokens

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
        # Left out where it is not wanted, reasoning could not be counted.
        self._with_reasoning = request.model_copy(update={"include_reasoning": True})
        self._reasoned = False
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
            self._with_reasoning,
            self._prompt_token_ids,
            # At the end of an answer a parser closes what is open: a call that was broken off would look complete.
            finished=ended and not may_be_broken_off(output, self._request),
        )
        calls = [] if message is None else _deltas(message, self._request)
        for call in calls:
            self._arguments.setdefault(call["index"], []).append(call["arguments"])
        text = (message.content or "") if message is not None else ""
        reasoning = None if message is None else message.reasoning
        self._reasoned = self._reasoned or bool(reasoning)
        parsed = _parsed(reasoning, calls, self._request)
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
            _counted(self._parser, output, self._token_ids, reasoned=self._reasoned) if ended else None,
        )


class _Read(NamedTuple):
    """What an answer says, with the arguments of its calls and the count of its reasoning tokens."""

    text: str
    parsed: dict[str, Any]
    arguments: list[str]
    reasoning_tokens: int | None


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
        read = None if broken_off else self._at_once(output)
        if read is None:
            steps = steps or self._steps(output)
            read = _folded(steps)
        text, parsed, arguments, counted = read
        return ParsedChoice(
            output.index,
            text,
            output.token_ids,
            output.logprobs,
            _finish_reason(output, self._request, arguments),
            output.stop_reason,
            parsed,
            output.cumulative_logprob,
            counted,
            steps,
        )

    def _at_once(self, output: ChoiceOutput) -> _Read | None:
        """None where vLLM takes all of it for reasoning although the prompt has closed the thought."""
        parser = self._make()
        versions.set_prompt(parser, self._prompt_token_ids)
        reasoning, content, functions = parser.parse(
            output.text,
            self._request,
            enable_auto_tools=self._auto_tools,
            model_output_token_ids=list(output.token_ids),
        )
        if (
            reasoning
            and not content
            and output.text.startswith(reasoning)
            and versions.is_reasoning_end(parser, self._prompt_token_ids)
        ):
            return None
        calls = _calls(functions or (), self._request)
        counted = _counted(parser, output, output.token_ids, reasoned=bool(reasoning))
        parsed = _parsed(reasoning, calls, self._request)
        return _Read(content or "", parsed, [call["arguments"] for call in calls], counted)

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


def _folded(steps: Sequence[ParsedChoice]) -> _Read:
    parsed = joined([step.parsed for step in steps if step.parsed]) or {}
    arguments = [call["arguments"] for call in parsed.get("tool_calls", ())]
    counted = steps[-1].reasoning_tokens if steps else None
    return _Read("".join([step.text for step in steps]), parsed, arguments, counted)


def _counted(parser: Parser, output: ChoiceOutput, token_ids: Sequence[int], *, reasoned: bool) -> int | None:
    ended_itself = output.finish_reason == "stop" and not isinstance(output.stop_reason, str)
    return reasoning_tokens(parser, token_ids, reasoned=reasoned, ended_itself=ended_itself)


def _parsed(reasoning: str | None, calls: list[dict[str, Any]], request: ChatCompletionRequest) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    if reasoning and request.include_reasoning:
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

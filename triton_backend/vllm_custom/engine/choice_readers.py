"""The text of one choice through vLLM's parsers, as it comes or at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..contract.outputs import ChoiceOutput
from ..contract.parsed import ParsedChoice
from . import versions

if TYPE_CHECKING:
    from vllm.entrypoints.generate.base.protocol import DeltaMessage, FunctionCall
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.parser import Parser


class ChoiceReader(Protocol):
    """Parses the text of one choice."""

    def read(self, output: ChoiceOutput) -> ParsedChoice: ...


class StreamReader:
    """One choice of a stream, parsed delta by delta."""

    def __init__(
        self, parser: Parser, request: ChatCompletionRequest, prompt_token_ids: list[int], *, auto_tools: bool
    ) -> None:
        self._parser = parser
        self._request = request
        self._prompt_token_ids = prompt_token_ids
        self._token_ids: list[int] = []
        self._called = False

    def read(self, output: ChoiceOutput) -> ParsedChoice:
        self._token_ids += output.token_ids
        message = self._parser.parse_delta(
            output.text,
            list(output.token_ids),
            self._request,
            self._prompt_token_ids,
            finished=output.finish_reason is not None,
        )
        calls = [] if message is None else _deltas(message, self._request)
        self._called = self._called or bool(calls)
        text = (message.content or "") if message is not None else ""
        # Not every version of vLLM leaves out by itself what is not wanted.
        reasoning = message.reasoning if message is not None and self._request.include_reasoning else None
        counted = versions.reasoning_tokens(self._parser, self._token_ids) if output.finish_reason is not None else None
        return _choice(output, self._request, text, reasoning, calls, called=self._called, reasoning_tokens=counted)


class WholeReader:
    """One choice of an answer that comes whole, parsed once."""

    def __init__(
        self, parser: Parser, request: ChatCompletionRequest, prompt_token_ids: list[int], *, auto_tools: bool
    ) -> None:
        self._parser = parser
        self._request = request
        self._auto_tools = auto_tools
        versions.set_prompt(parser, prompt_token_ids)

    def read(self, output: ChoiceOutput) -> ParsedChoice:
        reasoning, content, functions = self._parser.parse(
            output.text,
            self._request,
            enable_auto_tools=self._auto_tools,
            model_output_token_ids=list(output.token_ids),
        )
        if not self._request.include_reasoning:
            reasoning = None
        calls = _calls(functions or (), self._request)
        counted = versions.reasoning_tokens(self._parser, output.token_ids)
        return _choice(
            output, self._request, content or "", reasoning, calls, called=bool(calls), reasoning_tokens=counted
        )


def _choice(
    output: ChoiceOutput,
    request: ChatCompletionRequest,
    text: str,
    reasoning: str | None,
    calls: list[dict[str, Any]],
    *,
    called: bool,
    reasoning_tokens: int | None,
) -> ParsedChoice:
    parsed: dict[str, Any] = {}
    if reasoning:
        parsed["reasoning"] = reasoning
    if calls:
        parsed["tool_calls"] = calls
    finish_reason = output.finish_reason
    # OpenAI says `tool_calls` where the model chose to call, and `stop` where the client named the function.
    if called and finish_reason == "stop" and request.tool_choice in ("auto", "required", None):
        finish_reason = "tool_calls"
    return ParsedChoice(
        output.index,
        text,
        output.token_ids,
        output.logprobs,
        finish_reason,
        output.stop_reason,
        parsed,
        output.cumulative_logprob,
        reasoning_tokens,
    )


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

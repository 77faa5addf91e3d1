"""A chat answer: its chunks, and the whole of it as the fold of the same outputs.

The order of chunks is the one that every client reads: the role alone (with the first token), then content, then an empty
delta with the finish reason. The SDK's accumulator concatenates strings, so role and id are sent once. Where tools may be
called the content begins as null, because it may stay that.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from gateway.answers.chunks import ChunkStream
from gateway.answers.fold import Fold, FoldedChoice
from gateway.answers.plan import AnswerPlan
from gateway.apis.chat.logprobs import chat_logprobs
from gateway.apis.chat.schema import AssistantMessage, ChatChoice, ChatCompletion, ChatLogprobs
from gateway.generation import End, ParsedDelta, TokenLogprob, ToolCallDelta
from gateway.wire.tools import FunctionCall, ToolCall


class ChatStream(ChunkStream):
    """`chat.completion.chunk` objects."""

    object_name = "chat.completion.chunk"
    opening = b',"delta":{'
    text_start = b'"content":'
    text_end = b"}"
    empty = b"}"

    def _opened(self) -> list[bytes]:
        content = b"null" if self._plan.may_call else b'""'
        role = b'"role":"assistant","content":' + content + b',"refusal":null' + self._after_text
        if self._plan.prompt_token_ids is not None:
            ids = b',"prompt_token_ids":' + orjson.dumps(self._plan.prompt_token_ids[0])
            role = role.removesuffix(self._end) + ids + self._end
        return [prefix + role for prefix in self._prefix]

    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        return chat_logprobs(tokens, self._plan.names).model_dump_json().encode()

    def _parsed(self, delta: ParsedDelta) -> bytes:
        members: dict[str, object] = {}
        if delta.text:
            members["content"] = delta.text
        if delta.reasoning:
            # Both names are in use: vLLM's and OpenRouter's, DeepSeek's and LiteLLM's.
            members["reasoning"] = members["reasoning_content"] = delta.reasoning
        if delta.tool_calls:
            members |= self._calls(delta.tool_calls)
        return self._prefix[delta.choice] + orjson.dumps(members)[1:] + self._details(delta) + self._end

    def _calls(self, deltas: Sequence[ToolCallDelta]) -> dict[str, object]:
        if not self._plan.calls_functions:
            return {"tool_calls": [_wire_delta(call) for call in deltas]}
        only = [call for call in deltas if call.number == 0]
        return {"function_call": _function(only[0])} if only else {}

    def _reason(self, end: End) -> str:
        return finish_reason(self._plan, end)


def finish_reason(plan: AnswerPlan, end: End) -> str:
    """The finish reason, `function_call` where the client uses the deprecated shape of tool calls."""
    return "function_call" if plan.calls_functions and end.finish_reason == "tool_calls" else end.finish_reason


def _function(call: ToolCallDelta) -> dict[str, object]:
    return {"arguments": call.arguments} if call.name is None else {"name": call.name, "arguments": call.arguments}


def _wire_delta(call: ToolCallDelta) -> dict[str, object]:
    if call.id is None:
        return {"index": call.number, "function": _function(call)}
    return {"index": call.number, "id": call.id, "type": "function", "function": _function(call)}


class ChatFold(Fold):
    """A `chat.completion` object."""

    def finish(self) -> ChatCompletion:
        """The response body. Raises InternalError when a choice has not ended."""
        choices = [
            ChatChoice(
                index=index,
                message=self._message(choice),
                logprobs=self._logprobs(choice),
                finish_reason=finish_reason(self._plan, end),
                stop_reason=end.stop_reason,
                token_ids=choice.token_ids,
            )
            for index, (choice, end) in enumerate(self.ended())
        ]
        return ChatCompletion(
            id=self._plan.id,
            created=self._plan.created,
            model=self._plan.model,
            choices=choices,
            usage=self.usage(),
            prompt_token_ids=self.prompt_token_ids(0),
            prompt_logprobs=self.prompt_logprobs(0),
        )

    def _logprobs(self, choice: FoldedChoice) -> ChatLogprobs | None:
        if choice.logprobs is None:
            return None
        return chat_logprobs(choice.logprobs, self._plan.names)

    def _message(self, choice: FoldedChoice) -> AssistantMessage:
        text = choice.text
        reasoning = "".join(choice.reasoning) or None
        calls = [_folded(choice.tool_calls[number]) for number in sorted(choice.tool_calls)]
        as_function = self._plan.calls_functions and bool(calls)
        return AssistantMessage(
            content=None if self._plan.may_call and not text else text,
            tool_calls=None if as_function else calls or None,
            function_call=calls[0].function if as_function else None,
            reasoning=reasoning,
            reasoning_content=reasoning,
        )


def _folded(deltas: Sequence[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        id=next((delta.id for delta in deltas if delta.id is not None), ""),
        function=FunctionCall(
            name=next((delta.name for delta in deltas if delta.name is not None), ""),
            arguments="".join([delta.arguments for delta in deltas]),
        ),
    )

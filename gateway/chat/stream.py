"""A chat answer: its chunks, and the whole of it as the fold of the same outputs.

The order of chunks is the one that every client reads: the role alone, then content, then an empty delta with the finish
reason. The SDK's accumulator concatenates strings, so role and id are sent once. Where tools may be called the content
begins as null, because it may stay that.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from gateway.chat.chunks import AnswerHead, ChunkStream, Fold, FoldedChoice
from gateway.chat.logprobs import chat_logprobs
from gateway.generation import ParsedDelta, TokenLogprob, ToolCallDelta
from gateway.schemas.chat import AssistantMessage, ChatChoice, ChatCompletion
from gateway.schemas.tools import FunctionCall, ToolCall


class ChatStream(ChunkStream):
    """`chat.completion.chunk` objects."""

    object_name = "chat.completion.chunk"
    opening = b',"delta":{'
    text_start = b'"content":'
    text_end = b"}"
    empty = b"}"

    def __init__(self, head: AnswerHead, *, choices: int, include_usage: bool, may_call: bool = False) -> None:
        super().__init__(head, choices=choices, include_usage=include_usage)
        self._content = b"null" if may_call else b'""'

    def _opened(self) -> list[bytes]:
        role = b'"role":"assistant","content":' + self._content + b',"refusal":null' + self._after_text
        return [prefix + role for prefix in self._prefix]

    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        return chat_logprobs(tokens).model_dump_json().encode()

    def _parsed(self, delta: ParsedDelta) -> bytes:
        members: dict[str, object] = {}
        if delta.text:
            members["content"] = delta.text
        if delta.reasoning:
            # Both names are in use: vLLM's and OpenRouter's, DeepSeek's and LiteLLM's.
            members["reasoning"] = members["reasoning_content"] = delta.reasoning
        if delta.tool_calls:
            members["tool_calls"] = [_wire_delta(call) for call in delta.tool_calls]
        logprobs = b"null" if delta.logprobs is None else self._logprobs(delta.choice, delta.logprobs)
        choice = orjson.dumps(members)[1:] + b',"logprobs":' + logprobs + b',"finish_reason":null}]'
        return self._prefix[delta.choice] + choice + self._end


def _wire_delta(call: ToolCallDelta) -> dict[str, object]:
    function = {"arguments": call.arguments} if call.name is None else {"name": call.name, "arguments": call.arguments}
    if call.id is None:
        return {"index": call.number, "function": function}
    return {"index": call.number, "id": call.id, "type": "function", "function": function}


class ChatFold(Fold):
    """A `chat.completion` object."""

    def __init__(self, choices: int, *, may_call: bool = False) -> None:
        super().__init__(choices)
        self._may_call = may_call

    def finish(self, head: AnswerHead) -> ChatCompletion:
        """The response body. Raises InternalError when a choice has not ended."""
        choices = [
            ChatChoice(
                index=index,
                message=self._message(choice),
                logprobs=None if choice.logprobs is None else chat_logprobs(choice.logprobs),
                finish_reason=end.finish_reason,
                stop_reason=end.stop_reason,
            )
            for index, (choice, end) in enumerate(self.ended())
        ]
        return ChatCompletion(id=head.id, created=head.created, model=head.model, choices=choices, usage=self.usage())

    def _message(self, choice: FoldedChoice) -> AssistantMessage:
        text = choice.text
        reasoning = "".join(choice.reasoning) or None
        return AssistantMessage(
            content=None if self._may_call and not text else text,
            tool_calls=[_folded(choice.tool_calls[number]) for number in sorted(choice.tool_calls)] or None,
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

"""A chat answer: its chunks, and the whole of it as the fold of the same outputs.

The order of chunks is the one that every client reads: the role alone, then content, then an empty delta with the finish
reason. The SDK's accumulator concatenates strings, so role and id are sent once.
"""

from __future__ import annotations

from gateway.chat.chunks import AnswerHead, ChunkStream, Fold
from gateway.chat.logprobs import chat_logprobs
from gateway.generation import TokenLogprob
from gateway.schemas.chat import AssistantMessage, ChatChoice, ChatCompletion


class ChatStream(ChunkStream):
    """`chat.completion.chunk` objects."""

    object_name = "chat.completion.chunk"
    opening = b',"delta":{'
    text_start = b'"content":'
    text_end = b"}"
    empty = b"}"

    def _opened(self) -> list[bytes]:
        role = b'"role":"assistant","content":"","refusal":null' + self._after_text
        return [prefix + role for prefix in self._prefix]

    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        return chat_logprobs(tokens).model_dump_json().encode()


class ChatFold(Fold):
    """A `chat.completion` object."""

    def finish(self, head: AnswerHead) -> ChatCompletion:
        """The response body. Raises InternalError when a choice has not ended."""
        choices = [
            ChatChoice(
                index=index,
                message=AssistantMessage(content=choice.text),
                logprobs=None if choice.logprobs is None else chat_logprobs(choice.logprobs),
                finish_reason=end.finish_reason,
                stop_reason=end.stop_reason,
            )
            for index, (choice, end) in enumerate(self.ended())
        ]
        return ChatCompletion(id=head.id, created=head.created, model=head.model, choices=choices, usage=self.usage())

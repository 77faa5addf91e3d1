"""A legacy completion: its chunks, and the whole of it as the fold of the same outputs."""

from __future__ import annotations

from gateway.chat.chunks import AnswerHead, ChunkStream, Fold
from gateway.chat.logprobs import completion_logprobs
from gateway.generation import TokenLogprob
from gateway.schemas.completions import Completion, CompletionChoice


class CompletionStream(ChunkStream):
    """`text_completion` objects."""

    object_name = "text_completion"
    opening = b',"text":'
    text_start = b""
    text_end = b""
    empty = b'""'

    def __init__(self, head: AnswerHead, *, choices: int, include_usage: bool, prompts: int = 1) -> None:
        super().__init__(head, choices=choices, include_usage=include_usage, prompts=prompts)
        self._length = [0] * choices  # characters sent so far, for `text_offset`

    def _opened(self) -> list[bytes]:
        return []  # a completion has no role to announce

    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        logprobs = completion_logprobs(tokens, self._length[index])
        self._length[index] += sum(len(token.token) for token in tokens)
        return logprobs.model_dump_json().encode()


class CompletionFold(Fold):
    """A `text_completion` object, whole."""

    def finish(self, head: AnswerHead) -> Completion:
        """The response body. Raises InternalError when a choice has not ended."""
        choices = [
            CompletionChoice(
                index=index,
                text=choice.text,
                logprobs=None if choice.logprobs is None else completion_logprobs(choice.logprobs, 0),
                finish_reason=end.finish_reason,
                stop_reason=end.stop_reason,
            )
            for index, (choice, end) in enumerate(self.ended())
        ]
        return Completion(id=head.id, created=head.created, model=head.model, choices=choices, usage=self.usage())

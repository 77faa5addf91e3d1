"""A legacy completion: its chunks, and the whole of it as the fold of the same outputs."""

from __future__ import annotations

import orjson

from gateway.answers.chunks import ChunkStream
from gateway.answers.fold import Fold, FoldedChoice
from gateway.answers.plan import AnswerPlan, Best
from gateway.apis.completions.logprobs import completion_logprobs
from gateway.apis.completions.schema import Completion, CompletionChoice, CompletionLogprobs
from gateway.generation import End, TokenLogprob


class CompletionStream(ChunkStream):
    """`text_completion` objects."""

    object_name = "text_completion"
    opening = b',"text":'
    text_start = b""
    text_end = b""
    empty = b'""'

    def __init__(self, plan: AnswerPlan) -> None:
        super().__init__(plan)
        self._length = [0] * plan.choices  # characters sent so far, for `text_offset`
        # A completion has no chunk to open it, so the prompt's ids come with its first text.
        self._without_prompt = set(range(plan.choices)) if plan.prompt_token_ids is not None else set[int]()

    def _opened(self) -> list[bytes]:
        return []  # a completion has no role to announce

    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        logprobs = completion_logprobs(tokens, self._length[index], self._plan.names)
        self._length[index] += sum(len(each.token) for each in tokens)
        return logprobs.model_dump_json().encode()

    def _first_chunk_members(self, index: int) -> bytes:
        prompts = self._plan.prompt_token_ids
        if prompts is None or index not in self._without_prompt:
            return b""
        self._without_prompt.remove(index)
        return b',"prompt_token_ids":' + orjson.dumps(prompts[index // self._plan.choices_each])


class CompletionFold(Fold):
    """A `text_completion` object, whole."""

    def finish(self) -> Completion:
        """The response body. Raises InternalError when a choice has not ended."""
        choices = list(enumerate(self.ended()))
        if (best := self._plan.best) is not None:
            choices = self._likeliest(choices, best)
        return Completion(
            id=self._plan.id,
            created=self._plan.created,
            model=self._plan.model,
            choices=[
                self._choice(index, number // self._plan.choices_each, choice, end)
                for index, (number, (choice, end)) in enumerate(choices)
            ],
            usage=self.usage(),
        )

    def _likeliest(
        self, choices: list[tuple[int, tuple[FoldedChoice, End]]], best: Best
    ) -> list[tuple[int, tuple[FoldedChoice, End]]]:
        """The best of each prompt, the best first."""
        each = self._plan.choices_each
        kept: list[tuple[int, tuple[FoldedChoice, End]]] = []
        for start in range(0, len(choices), each):
            ranked = sorted(
                choices[start : start + each], key=lambda numbered: _likelihood(numbered[1][0]), reverse=True
            )
            kept += ranked[: best.kept]
        return kept

    def _choice(self, index: int, prompt: int, choice: FoldedChoice, end: End) -> CompletionChoice:
        return CompletionChoice(
            index=index,
            text=choice.text,
            logprobs=self._logprobs(choice),
            finish_reason=end.finish_reason,
            stop_reason=end.stop_reason,
            token_ids=choice.token_ids,
            prompt_token_ids=self.prompt_token_ids(prompt),
            prompt_logprobs=self.prompt_logprobs(prompt),
        )

    def _logprobs(self, choice: FoldedChoice) -> CompletionLogprobs | None:
        best = self._plan.best
        if choice.logprobs is None or (best is not None and not best.returns_logprobs):
            return None
        return completion_logprobs(choice.logprobs, 0, self._plan.names)


def _likelihood(choice: FoldedChoice) -> float:
    """The mean log-probability of its tokens."""
    values = [token.logprob for token in choice.logprobs or () if token.logprob is not None]
    return sum(values) / len(values) if values else float("-inf")

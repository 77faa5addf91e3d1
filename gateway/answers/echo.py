"""Puts the prompt before the answer, for requests with `echo`. A pure transformation of outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.generation import Accepted, Delta, End, GenerationOutput, PromptLogprobs, TokenLogprob


@dataclass(frozen=True, slots=True)
class EchoedPrompt:
    """One prompt as it is repeated. `first_token` (id and text) is needed with log-probabilities only: the engine gives
    none for it."""

    text: str
    first_token: tuple[int, str] | None = None


class Echo:
    """Sends the prompt of each choice before the first output of that choice."""

    def __init__(self, prompts: Sequence[EchoedPrompt], choices_each: int, *, alone: bool = False) -> None:
        """Choice `i` continues prompt `i // choices_each`. `alone`: the client asked for no tokens; the
        one token that the engine generates all the same is left out."""
        self._prompts = prompts
        self._choices_each = choices_each
        self._alone = alone
        self._logprobs: dict[int, tuple[TokenLogprob, ...]] = {}
        self._begun: set[int] = set()

    def feed(self, outputs: Iterable[GenerationOutput]) -> list[GenerationOutput]:
        """The outputs, with the prompt in front of the first of each choice."""
        echoed: list[GenerationOutput] = []
        for output in outputs:
            if isinstance(output, PromptLogprobs):
                self._keep(output)
            elif not isinstance(output, Accepted) and output.choice not in self._begun:
                self._begun.add(output.choice)
                echoed.append(self._opening(output.choice))
            if not self._alone or isinstance(output, Accepted | PromptLogprobs):
                echoed.append(output)
            elif isinstance(output, End):
                echoed.append(self._without_answer(output))
        return echoed

    def _keep(self, scored: PromptLogprobs) -> None:
        number = scored.choice // self._choices_each
        first = self._prompts[number].first_token
        if first is not None:
            nothing_before = TokenLogprob(*first, None, ())
            self._logprobs[number] = tuple(nothing_before if token is None else token for token in scored.tokens)

    def _opening(self, choice: int) -> Delta:
        number = choice // self._choices_each
        return Delta(choice, self._prompts[number].text, 0, self._logprobs.get(number))

    @staticmethod
    def _without_answer(end: End) -> End:
        usage = None if end.usage is None else end.usage._replace(completion_tokens=0)
        return End(end.choice, "length", None, usage)

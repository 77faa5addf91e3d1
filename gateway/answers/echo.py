"""The prompt put before the answer, for those who ask for it (`echo`). Fed, never fetching."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.generation import Accepted, Delta, End, GenerationOutput, PromptLogprobs, TokenLogprob


@dataclass(frozen=True, slots=True)
class EchoedPrompt:
    """One prompt as it is told. `first_token` (its id and text) is there where log-probabilities are told too: the engine
    tells none of it."""

    text: str
    first_token: tuple[int, str] | None = None


class Echo:
    """Gives each choice its prompt before anything else of it."""

    def __init__(self, prompts: Sequence[EchoedPrompt], choices_each: int, *, alone: bool = False) -> None:
        """Choice `i` continues prompt `i // choices_each`. `alone`: nothing was to be generated, and what the engine has
        made all the same, because it can't make nothing, is left out."""
        self._prompts = prompts
        self._choices_each = choices_each
        self._alone = alone
        self._logprobs: dict[int, tuple[TokenLogprob, ...]] = {}
        self._begun: set[int] = set()

    def feed(self, outputs: Iterable[GenerationOutput]) -> list[GenerationOutput]:
        """The outputs with what is to come before them."""
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

    def _keep(self, told: PromptLogprobs) -> None:
        number = told.choice // self._choices_each
        first = self._prompts[number].first_token
        if first is not None:
            nothing_before = TokenLogprob(*first, None, ())
            self._logprobs[number] = tuple(nothing_before if token is None else token for token in told.tokens)

    def _opening(self, choice: int) -> Delta:
        number = choice // self._choices_each
        return Delta(choice, self._prompts[number].text, 0, self._logprobs.get(number))

    @staticmethod
    def _without_answer(end: End) -> End:
        usage = None if end.usage is None else end.usage._replace(completion_tokens=0)
        return End(end.choice, "length", None, usage)

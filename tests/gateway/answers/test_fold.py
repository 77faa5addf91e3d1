"""The whole of an answer, out of the outputs that make its stream."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answers.echo import EchoedPrompt
from gateway.answers.fold import Fold
from gateway.answers.plan import AnswerPlan
from gateway.errors import InternalError
from gateway.generation import (
    Accepted,
    Delta,
    End,
    GenerationOutput,
    ParsedDelta,
    PromptLogprobs,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from tests.cases import Generation, generations

PLAN = AnswerPlan("id", 1700000000, "m")
TOKEN = TokenLogprob(5, "a", -0.5, ())
END = End(0, "stop", None, Usage(3, 2, 1))


def test_outputs_are_collected_by_choice() -> None:
    """However they are interleaved; each choice has its own end."""
    fold = Fold(replace(PLAN, choices=2))
    fold.take([Accepted(3), Delta(1, "x", 1, None), Delta(0, "a", 1, (TOKEN,), (5,)), Delta(1, "y", 1, None)])
    fold.take([Delta(0, "b", 1, (TOKEN,), (6,)), End(1, "length", None, None), END])
    (first, first_end), (second, second_end) = fold.ended()
    assert (first.text, first.logprobs, first.token_ids) == ("ab", [TOKEN, TOKEN], [5, 6])
    assert (second.text, second.logprobs, second.token_ids) == ("xy", None, None)
    assert (first_end.finish_reason, second_end.finish_reason) == ("stop", "length")


def test_calls_and_reasoning_are_kept_apart() -> None:
    """The pieces of each call in order, by its number."""
    calls = (ToolCallDelta(1, "c1", "f", "{"), ToolCallDelta(0, "c0", "g", ""))
    more = (ToolCallDelta(1, None, None, "}"),)
    fold = Fold(PLAN)
    fold.take([ParsedDelta(0, "", 1, None, "hm", calls), ParsedDelta(0, "t", 1, None, "!", more), END])
    [(choice, _)] = fold.ended()
    assert (choice.text, choice.reasoning) == ("t", ["hm", "!"])
    assert choice.tool_calls == {1: [calls[0], more[0]], 0: [calls[1]]}


def test_usage_is_that_of_all_prompts() -> None:
    """Each of them ends with its own."""
    fold = Fold(replace(PLAN, choices=2, prompts=2))
    fold.take([END, End(1, "stop", None, Usage(4, 5, 0))])
    usage = fold.usage()
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 7, 14)


def test_prompts_are_told_on_request() -> None:
    """Their log-probabilities belong to the prompt whose first choice they name."""
    told = PromptLogprobs(2, (None, TOKEN))
    fold = Fold(replace(PLAN, choices=4, prompts=2, tells_prompt_logprobs=True, prompt_token_ids=[[4, 5], [6]]))
    fold.take([told])
    assert fold.prompt_logprobs(0) is None
    assert len(fold.prompt_logprobs(1) or ()) == 2
    assert [fold.prompt_token_ids(prompt) for prompt in (0, 1)] == [[4, 5], [6]]
    silent = Fold(replace(PLAN, choices=4, prompts=2))
    silent.take([told])
    assert silent.prompt_logprobs(1) is silent.prompt_token_ids(1) is None


def test_choice_without_end_is_our_fault() -> None:
    """What is not complete is not told as if it were."""
    fold = Fold(replace(PLAN, choices=2))
    fold.take([END])
    with pytest.raises(InternalError):
        fold.ended()


@given(generations(), st.booleans())
def test_text_alone_is_as_good_as_a_delta(generation: Generation, echoes: bool) -> None:
    """`take_text` has the same effect as `take` of the `Delta` that it stands for, with an echo in front too."""
    echoed = [EchoedPrompt("Hi ")] if echoes else None
    plan = replace(PLAN, choices=generation.choices, echoed=echoed)
    by_text, by_output = Fold(plan), Fold(plan)
    for output in [output for message in generation.messages for output in message]:
        by_output.take([output])
        _take_plainly(by_text, output)
    assert by_text.ended() == by_output.ended()
    assert by_text.usage() == by_output.usage()


def _take_plainly(fold: Fold, output: GenerationOutput) -> None:
    if isinstance(output, Delta):
        fold.take_text(output.choice, output.text, output.token_count)
    else:
        fold.take([output])

"""The prompt before the answer, at the place where outputs come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.answers.echo import Echo, EchoedPrompt
from gateway.generation import Accepted, Delta, End, GenerationOutput, PromptLogprobs, TokenLogprob, Usage

SECOND = TokenLogprob(6, "b", -0.5, ())


def test_each_choice_begins_with_its_prompt() -> None:
    """Once, before whatever comes first of it; choices of the second prompt begin with the second."""
    echo = Echo([EchoedPrompt("one"), EchoedPrompt("two")], choices_each=2)
    outputs: list[GenerationOutput] = [
        Accepted(1),
        Delta(2, "x", 1, None),
        Delta(0, "y", 1, None),
        Delta(2, "z", 1, None),
    ]
    assert echo.feed(outputs) == [
        Accepted(1),
        Delta(2, "two", 0, None),
        Delta(2, "x", 1, None),
        Delta(0, "one", 0, None),
        Delta(0, "y", 1, None),
        Delta(2, "z", 1, None),
    ]
    assert echo.feed([End(1, "stop", None, None)]) == [Delta(1, "one", 0, None), End(1, "stop", None, None)]


def test_logprobs_of_the_prompt_are_told_with_it() -> None:
    """Its first token, of which the engine tells nothing, has none."""
    echo = Echo([EchoedPrompt("ab", (5, "a"))], choices_each=1)
    told = PromptLogprobs(0, (None, SECOND))
    assert echo.feed([told, Delta(0, "c", 1, ())]) == [
        told,
        Delta(0, "ab", 0, (TokenLogprob(5, "a", None, ()), SECOND)),
        Delta(0, "c", 1, ()),
    ]


def test_no_token_means_none() -> None:
    """What the engine had to make is neither told nor counted."""
    echo = Echo([EchoedPrompt("ab")], choices_each=1, alone=True)
    outputs: list[GenerationOutput] = [Accepted(2), Delta(0, "c", 1, None), End(0, "stop", "c", Usage(2, 1, 0))]
    assert echo.feed(outputs) == [Accepted(2), Delta(0, "ab", 0, None), End(0, "length", None, Usage(2, 0, 0))]


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 7))
def test_order_of_choices_is_kept(order: list[int], cut: int) -> None:
    """However outputs are packed, taking the prompts away again leaves what came."""
    echo = Echo([EchoedPrompt(f"<{prompt}>") for prompt in range(3)], choices_each=2)
    outputs: list[GenerationOutput] = [Delta(choice, f"{place}", 1, None) for place, choice in enumerate(order)]
    made = [output for at in range(0, len(outputs), cut) for output in echo.feed(outputs[at : at + cut])]
    assert [output for output in made if isinstance(output, Delta) and output.token_count] == outputs
    prompts = [output for output in made if isinstance(output, Delta) and not output.token_count]
    assert {(output.choice, output.text) for output in prompts} == {(c, f"<{c // 2}>") for c in order}
    assert len(prompts) == len(set(order))

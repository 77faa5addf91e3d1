"""What is known of an answer before its first token."""

from __future__ import annotations

from gateway.answers.echo import EchoedPrompt
from gateway.answers.plan import AnswerPlan
from gateway.generation import Delta, End, Usage

PLAN = AnswerPlan("id", 1700000000, "m")


def test_choices_are_shared_out_evenly() -> None:
    """Each prompt has as many as the others."""
    assert PLAN.choices_each == 1
    assert AnswerPlan("id", 1, "m", choices=6, prompts=2).choices_each == 3


def test_plain_answers_have_no_echo() -> None:
    """Outputs need not pass through anything."""
    assert PLAN.echo() is None


def test_each_answer_has_its_own_echo() -> None:
    """The stream and the fold of one plan don't take the prompt away from each other."""
    plan = AnswerPlan("id", 1, "m", echoed=[EchoedPrompt("Hi ")])
    for _ in range(2):
        echo = plan.echo()
        assert echo is not None
        assert echo.feed([Delta(0, "x", 1, None)]) == [Delta(0, "Hi ", 0, None), Delta(0, "x", 1, None)]


def test_empty_answers_leave_the_token_out() -> None:
    """Without `echo` too: the one token that the engine makes is nobody's."""
    echo = AnswerPlan("id", 1, "m", choices=2, prompts=2, is_empty=True).echo()
    assert echo is not None
    outputs = echo.feed([Delta(1, "x", 1, None), End(1, "stop", "x", Usage(2, 1, 0))])
    assert outputs == [Delta(1, "", 0, None), End(1, "length", None, Usage(2, 0, 0))]

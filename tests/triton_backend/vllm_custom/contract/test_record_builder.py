"""Engine outputs to the contract's records."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.plan import Plan
from vllm_custom.contract.record_builder import NativeRecordBuilder
from vllm_custom.errors import Cancelled, Internal


def choice(index, text, *, count=1, finish=None, stop=None, probabilities=None):
    return SimpleNamespace(
        index=index,
        text=text,
        token_ids=list(range(count)),
        logprobs=probabilities,
        finish_reason=finish,
        stop_reason=stop,
    )


def output(*choices, finished=False, cached=None):
    return SimpleNamespace(outputs=choices, finished=finished, num_cached_tokens=cached)


def builder(choices=1, alternatives=None, token_ids=False):
    return NativeRecordBuilder("r", Plan(choices, 4, alternatives, token_ids))


def test_usage_counts_every_choice_and_the_cache():
    """The last end carries what all choices cost together."""
    records = builder(choices=2)
    records.read(output(choice(0, "a"), choice(1, "b")))
    first = records.read(output(choice(1, "c", count=2, finish="length"), cached=3))
    assert first[-1] == ["r", "end", 1, "length", None, None]
    assert not records.complete
    last = records.read(output(choice(0, "", count=0, finish="stop", stop=7), finished=True, cached=3))
    assert last == [["r", "end", 0, "stop", 7, {"prompt_tokens": 4, "completion_tokens": 4, "cached_tokens": 3}]]
    assert records.complete


def test_output_of_a_finished_choice_is_ignored():
    """A choice that has ended says nothing more, even if its engine does."""
    records = builder(choices=2)
    records.read(output(choice(0, "a", finish="stop")))
    assert records.read(output(choice(0, "more"))) == []


@pytest.mark.parametrize(("reason", "failure"), [("abort", Cancelled), ("error", Internal), ("repetition", Internal)])
def test_engine_giving_up_is_an_error(reason, failure):
    """A finish reason that is no answer becomes an exception, never an `end`."""
    with pytest.raises(failure):
        builder().read(output(choice(0, "a", finish=reason)))


texts = st.text(max_size=5)


@given(st.data())
def test_any_split_of_a_text_ends_complete(data):
    """However an engine cuts its steps, deltas add up to its text, and exactly the last choice's end has the usage."""
    generated = {
        index: data.draw(st.lists(texts, min_size=1, max_size=4)) for index in range(data.draw(st.integers(1, 3)))
    }
    order = data.draw(st.permutations([index for index, pieces in generated.items() for _ in pieces]))
    made, records, position = builder(choices=len(generated)), [], dict.fromkeys(generated, 0)
    for index in order:
        piece = generated[index][position[index]]
        position[index] += 1
        finish = "stop" if position[index] == len(generated[index]) else None
        records += made.read(output(choice(index, piece, count=len(piece), finish=finish)))
    assert made.complete
    for index, pieces in generated.items():
        assert "".join(r[3] for r in records if r[1] == "delta" and r[2] == index) == "".join(pieces)
    usages = [record[5] for record in records if record[1] == "end"]
    assert [usage is not None for usage in usages] == [False] * (len(generated) - 1) + [True]
    assert usages[-1]["completion_tokens"] == sum(len(piece) for pieces in generated.values() for piece in pieces)


def test_prompt_logprobs_are_sent_once():
    """Where they were asked for, in a record of their own before the text, the first token without one."""
    token = type("Logprob", (), {"logprob": -0.5, "rank": 1, "decoded_token": "b"})()
    made = NativeRecordBuilder("r", Plan(1, 2, None, token_ids=False, prompt_alternatives=1))
    step = {"outputs": [choice(0, "x", count=1)], "finished": False, "num_cached_tokens": None}
    reported = {"prompt_token_ids": [1, 2], "prompt_logprobs": [None, {2: token}]}
    silent = type("Step", (), {**step, "prompt_token_ids": [1, 2], "prompt_logprobs": None})()
    assert [record[1] for record in made.read(silent)] == ["delta"]
    telling = type("Step", (), {**step, **reported})()
    prompt, delta = made.read(telling)
    assert prompt == ["r", "prompt", None, {"logprobs": [None, [2, "b", -0.5, [[2, "b", -0.5]], 1]]}]
    assert delta[1] == "delta"
    assert [record[1] for record in made.read(telling)] == ["delta"]

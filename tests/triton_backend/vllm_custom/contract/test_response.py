"""Engine outputs to records."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.response import LOWEST_LOGPROB, Answer, coalesce, encode, logprobs
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


def answer(choices=1, alternatives=None, token_ids=False):
    return Answer("r", choices=choices, prompt_tokens=4, alternatives=alternatives, token_ids=token_ids)


def token(logprob, rank, text):
    return SimpleNamespace(logprob=logprob, rank=rank, decoded_token=text)


def test_usage_counts_every_choice_and_the_cache():
    """The last end carries what all choices cost together."""
    records = answer(choices=2)
    records.read(output(choice(0, "a"), choice(1, "b")))
    first = records.read(output(choice(1, "c", count=2, finish="length"), cached=3))
    assert first[-1] == ["r", "end", 1, "length", None, None]
    assert not records.complete
    last = records.read(output(choice(0, "", count=0, finish="stop", stop=7), finished=True, cached=3))
    assert last == [["r", "end", 0, "stop", 7, {"prompt_tokens": 4, "completion_tokens": 4, "cached_tokens": 3}]]
    assert records.complete


def test_output_of_a_finished_choice_is_ignored():
    """A choice that has ended says nothing more, even if its engine does."""
    records = answer(choices=2)
    records.read(output(choice(0, "a", finish="stop")))
    assert records.read(output(choice(0, "more"))) == []


@pytest.mark.parametrize(("reason", "failure"), [("abort", Cancelled), ("error", Internal), ("repetition", Internal)])
def test_engine_giving_up_is_an_error(reason, failure):
    """A finish reason that is no answer becomes an exception, never an `end`."""
    with pytest.raises(failure):
        answer().read(output(choice(0, "a", finish=reason)))


def test_alternatives_are_the_most_likely_by_rank():
    """An unlikely sampled token is reported, but does not push out one of the alternatives asked for."""
    position = {9: token(-5.0, 40, "z"), 2: token(-0.2, 2, "b"), 1: token(-0.1, 1, "a")}
    assert logprobs([9], [position], 2) == [[9, "z", -5.0, [[1, "a", -0.1], [2, "b", -0.2]]]]
    assert logprobs([9], [position], 0) == [[9, "z", -5.0, []]]
    assert len(logprobs([9], [position], -1)[0][3]) == 3


@pytest.mark.parametrize("value", [float("-inf"), float("nan"), -1e30])
def test_impossible_logprobs_have_a_floor(value):
    """JSON has no infinity and no NaN: both become the lowest value."""
    entries = logprobs([1], [{1: token(value, 1, None)}], 1)
    assert entries == [[1, "", LOWEST_LOGPROB, [[1, "", LOWEST_LOGPROB]]]]
    assert json.loads(encode(entries))


def test_token_without_probabilities_has_the_floor():
    """A sampled token that the engine gave no figures for is still in its place."""
    assert logprobs([3], [{}], 1) == [[3, "", LOWEST_LOGPROB, []]]


texts = st.text(max_size=5)
deltas = st.builds(
    lambda choice, text, with_ids: [
        "r", "delta", choice, text, len(text), {"token_ids": [ord(c) for c in text]} if with_ids else None
    ],
    st.integers(0, 2), texts, st.just(True),
)  # fmt: skip


@given(st.lists(deltas, max_size=12), st.sets(st.integers(0, 2)))
def test_coalescing_changes_no_text_no_count_and_no_order(records, ending):
    """Per choice the joined records tell the same text, count and tokens, and the end stays behind them."""
    records = [*records, *(["r", "end", choice, "stop", None, None] for choice in ending)]
    joined = coalesce(records)
    assert len([record for record in joined if record[1] == "delta"]) == len({r[2] for r in records if r[1] == "delta"})
    for choice in range(3):
        before = [record for record in records if record[2] == choice]
        after = [record for record in joined if record[2] == choice]
        assert told(before) == told(after)
        assert [record[1] for record in after] == [
            kind for kind in ("delta", "end") if kind in {record[1] for record in before}
        ]


def told(records):
    said = [record for record in records if record[1] == "delta"]
    return (
        "".join(record[3] for record in said),
        sum(record[4] for record in said),
        [token for record in said for token in record[5]["token_ids"]],
    )


def test_coalescing_leaves_its_input_alone():
    """Records may be kept by others: none is changed."""
    records = [["r", "delta", 0, "a", 1, {"logprobs": [1]}], ["r", "delta", 0, "b", 1, {"logprobs": [2]}]]
    copy = json.loads(json.dumps(records))
    assert coalesce(records) == [["r", "delta", 0, "ab", 2, {"logprobs": [1, 2]}]]
    assert records == copy


@given(st.lists(st.lists(st.one_of(st.text(), st.integers(), st.none()), max_size=4), max_size=4))
def test_encoding_is_json_in_utf8(records):
    """Any text can be sent and read back."""
    assert json.loads(encode(records).decode("utf-8")) == records


def test_lone_surrogate_becomes_a_question_mark():
    """What is not a character cannot travel as UTF-8, and does not stop the message."""
    assert json.loads(encode([["\ud800"]])) == [["?"]]


@given(st.data())
def test_any_split_of_a_text_ends_complete(data):
    """However an engine cuts its steps, deltas add up to its text, and exactly the last choice's end has the usage."""
    said = {index: data.draw(st.lists(texts, min_size=1, max_size=4)) for index in range(data.draw(st.integers(1, 3)))}
    order = data.draw(st.permutations([index for index, pieces in said.items() for _ in pieces]))
    builder, records, position = answer(choices=len(said)), [], dict.fromkeys(said, 0)
    for index in order:
        piece = said[index][position[index]]
        position[index] += 1
        finish = "stop" if position[index] == len(said[index]) else None
        records += builder.read(output(choice(index, piece, count=len(piece), finish=finish)))
    assert builder.complete
    for index, pieces in said.items():
        assert "".join(r[3] for r in records if r[1] == "delta" and r[2] == index) == "".join(pieces)
    usages = [record[5] for record in records if record[1] == "end"]
    assert [usage is not None for usage in usages] == [False] * (len(said) - 1) + [True]
    assert usages[-1]["completion_tokens"] == sum(len(piece) for pieces in said.values() for piece in pieces)


def test_prompt_logprobs_are_told_once():
    """Where they were asked for, in a record of their own before the text, the first token without one."""
    token = type("Logprob", (), {"logprob": -0.5, "rank": 1, "decoded_token": "b"})()
    builder = Answer("r", choices=1, prompt_tokens=2, alternatives=None, token_ids=False, prompt_alternatives=1)
    step = {"outputs": [choice(0, "x", count=1)], "finished": False, "num_cached_tokens": None}
    told = {"prompt_token_ids": [1, 2], "prompt_logprobs": [None, {2: token}]}
    silent = type("Step", (), {**step, "prompt_token_ids": [1, 2], "prompt_logprobs": None})()
    assert [record[1] for record in builder.read(silent)] == ["delta"]
    telling = type("Step", (), {**step, **told})()
    prompt, delta = builder.read(telling)
    assert prompt == ["r", "prompt", None, {"logprobs": [None, [2, "b", -0.5, [[2, "b", -0.5]]]]}]
    assert delta[1] == "delta"
    assert [record[1] for record in builder.read(telling)] == ["delta"]

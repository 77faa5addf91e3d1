"""Engine outputs to records that carry what NVIDIA's outputs need."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from vllm_custom.contract.plan import Plan
from vllm_custom.errors import Cancelled, Internal
from vllm_custom.official.official_records import OfficialRecordBuilder
from vllm_custom.official.request import Wanted

LOGPROB = SimpleNamespace(logprob=float("-inf"), rank=3, decoded_token="t")


def step(text="", *, tokens=1, finish=None, index=0):
    choice = SimpleNamespace(
        index=index, text=text, token_ids=[7] * tokens, logprobs=[{7: LOGPROB}] * tokens, cumulative_logprob=-1.5,
        finish_reason=finish, stop_reason=None,
    )  # fmt: skip
    return SimpleNamespace(outputs=[choice], finished=finish is not None)


def test_delta_carries_only_what_is_wanted():
    """Nothing by default; log probabilities only where the request computed them."""
    assert OfficialRecordBuilder("r", Plan(1, 2, 1, False), Wanted()).read(step("a")) == [
        ["r", "delta", 0, "a", 1, None]
    ]
    everything = Wanted(logprobs=True, cumulative_logprob=True)
    ((*_, extra),) = OfficialRecordBuilder("r", Plan(1, 2, None, False), everything).read(step("a"))
    assert extra == {"cumulative_logprob": [-1.5]}
    ((*_, extra),) = OfficialRecordBuilder("r", Plan(1, 2, 0, False), everything).read(step("a"))
    assert extra["logprobs"] == [{"7": {"logprob": -9999.0, "rank": 3, "decoded_token": "t"}}]


def test_any_reason_of_vllm_ends_a_choice():
    """It is handed on as it is, and after it the choice is closed."""
    builder = OfficialRecordBuilder("r", Plan(2, 2, None, False), Wanted())
    assert builder.read(step(tokens=0, finish="repetition")) == [["r", "end", 0, "repetition", None, None]]
    assert builder.read(step("more")) == []
    assert not builder.complete
    builder.read(step("b", index=1, finish="stop"))
    assert builder.complete


@pytest.mark.parametrize(("reason", "failure"), [("abort", Cancelled), ("error", Internal)])
def test_request_that_was_given_up_is_an_error(reason, failure):
    """Not an answer that looks complete."""
    with pytest.raises(failure, match=reason):
        OfficialRecordBuilder("r", Plan(1, 2, None, False), Wanted()).read(step(finish=reason))

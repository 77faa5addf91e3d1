"""Log probabilities as the contract writes them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from vllm_custom.contract.logprobs import LOWEST_LOGPROB, logprobs, not_below_floor
from vllm_custom.contract.records import encode


def token(logprob, rank, text):
    return SimpleNamespace(logprob=logprob, rank=rank, decoded_token=text)


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
    assert not_below_floor(value) == LOWEST_LOGPROB


def test_token_without_probabilities_has_the_floor():
    """A sampled token that the engine gave no figures for is still in its place."""
    assert logprobs([3], [{}], 1) == [[3, "", LOWEST_LOGPROB, []]]

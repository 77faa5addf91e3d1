"""NVIDIA's sampling parameters for a script."""

from __future__ import annotations

import pytest
from vllm_custom.errors import BadRequest
from vllm_custom.official.request import OfficialGenerate, Wanted
from vllm_custom.replay.replay_sampling import read_sampling


def read(*, stream=False, room=100, **body):
    request = OfficialGenerate(
        rid="r", api="completions", body=body, prompt="p", token_ids=None, stream=stream, images=(), lora=None,
        wanted=Wanted(),
    )  # fmt: skip
    return read_sampling(request, room)


def test_defaults_are_those_of_vllms_bare_class():
    """Sixteen tokens, one choice, no stop."""
    params = read()
    assert (params.max_tokens, params.choices, list(params.stops), params.alternatives) == (16, 1, [], None)


def test_values_may_be_texts():
    """As request parameters are."""
    params = read(max_tokens="5", n="2", seed="7", stop="end", logprobs="1", include_stop_str_in_output="true")
    assert (params.max_tokens, params.choices, params.seed, params.stops) == (5, 2, 7, ["end"])
    assert (params.alternatives, params.keep_stop) == (1, True)


def test_room_of_the_context_is_the_limit():
    """Also where more is asked for, or nothing at all."""
    assert read(max_tokens=1000).max_tokens == 100
    assert read(room=3).max_tokens == 3


@pytest.mark.parametrize(("name", "value"), [("n", 0), ("n", 129), ("max_tokens", 0), ("frob", 1)])
def test_what_is_out_of_range_is_named(name, value):
    """With the parameter at fault."""
    with pytest.raises(BadRequest) as refused:
        read(**{name: value})
    assert refused.value.param == name


def test_stream_is_the_requests_own_flag():
    """It is a tensor of its own, not a sampling parameter."""
    assert read(stream=True).stream
    assert not read().stream

"""Fields that bear on decoding: what is taken, and what the engine is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.wire.decoding import DecodingRequest


def parsed(**fields: Any) -> DecodingRequest:
    return DecodingRequest.model_validate({"model": "m", **fields})


def test_engine_is_told_what_was_given() -> None:
    """And nothing else: its own defaults are not replaced by ours."""
    assert parsed().sampling_params() == {}
    given = {"temperature": 0.0, "seed": -5, "stop": ["a"], "stream": True, "logit_bias": {"5": 1.5}}
    assert parsed(**given, user="u", stream_options={"include_usage": True}).sampling_params() == given


def test_likeliest_token_alone_is_nearly_zero() -> None:
    """OpenAI's 0 of `top_p` is none that vLLM takes."""
    assert parsed(top_p=0).sampling_params() == {"top_p": 1e-6}
    assert parsed(top_p=0.5).sampling_params() == {"top_p": 0.5}


@pytest.mark.parametrize(
    ("fields", "usage", "continuous"),
    [
        ({}, False, False),
        ({"stream": True}, False, False),
        ({"stream": True, "stream_options": {}}, False, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, False),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, False, False),
        ({"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}, True, True),
    ],
)
def test_usage_is_told_on_request(fields: dict[str, Any], usage: bool, continuous: bool) -> None:
    """On the way only where it is told at the end."""
    request = parsed(**fields)
    assert (request.include_usage, request.continuous_usage) == (usage, continuous)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream_options": {}}, "stream_options"),
        ({"stream": False, "stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "prompt_logprobs": 0}, "prompt_logprobs"),
        ({"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}}, "structured_outputs"),
    ],
)
def test_fields_that_do_not_go_together(fields: dict[str, Any], param: str) -> None:
    """One of them is named."""
    with pytest.raises(ValidationError) as caught:
        parsed(**fields)
    [error] = caught.value.errors()
    assert error["ctx"]["param"] == param


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("n", 1, 128),
        ("frequency_penalty", -2, 2),
        ("seed", -(2**63), 2**63 - 1),
        ("top_k", -1, 2**20),
        ("priority", 0, 2**31 - 1),
        ("truncate_prompt_tokens", -1, 2**20),
    ],
)
def test_ranges_are_openais_and_vllms(name: str, least: float, most: float) -> None:
    """A wrong value is refused before Triton is touched."""
    assert getattr(parsed(**{name: least}), name) == least
    assert getattr(parsed(**{name: most}), name) == most
    with pytest.raises(ValidationError):
        parsed(**{name: least - 1})


@pytest.mark.parametrize("stop", ["", [""], ["a"] * 5, 5, [["a"]]])
def test_other_stops_are_refused(stop: Any) -> None:
    """A text, or up to four."""
    with pytest.raises(ValidationError):
        parsed(stop=stop)


@pytest.mark.parametrize("bias", [{"x": 1}, {"-5": 1}, {"5": 101}, {"5": "1"}, {str(i): 0 for i in range(301)}])
def test_other_biases_are_refused(bias: Any) -> None:
    """Token ids as JSON has them in keys, each with a number in its range, and not too many."""
    with pytest.raises(ValidationError):
        parsed(logit_bias=bias)


def test_passed_on_fields_are_fields() -> None:
    """What the engine is told of is declared, so that it has been checked."""
    assert DecodingRequest.passed_on <= DecodingRequest.model_fields.keys()
    assert not DecodingRequest.passed_on & (DecodingRequest.hints.keys() | DecodingRequest.refused.keys())

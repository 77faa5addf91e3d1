"""The fields of an OpenAI body that the replay engine honours."""

from __future__ import annotations

import pytest
from vllm_custom.contract.generate import Generate
from vllm_custom.errors import BadRequest
from vllm_custom.replay.body import HONOURED, IGNORED, read_body


def read(api="chat", room=100, **body):
    return read_body(Generate("r", api, body, "p", None), room)


@pytest.mark.parametrize(
    ("api", "body", "tokens"),
    [
        ("chat", {}, 100),
        ("completions", {}, 16),
        ("chat", {"max_tokens": 5}, 5),
        ("chat", {"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ("chat", {"max_tokens": 1000}, 100),
    ],
)
def test_tokens_are_limited_by_request_and_context(api, body, tokens):
    """The newer name wins; what is left out is the room of a chat, or sixteen."""
    assert read(api, **body).max_tokens == tokens


@pytest.mark.parametrize(
    ("api", "body", "alternatives", "of_the_prompt"),
    [
        ("chat", {}, None, None),
        ("chat", {"top_logprobs": 3}, None, None),
        ("chat", {"logprobs": True}, 0, None),
        ("chat", {"logprobs": True, "top_logprobs": 3}, 3, None),
        ("completions", {"logprobs": 2}, 2, None),
        ("completions", {"logprobs": 2, "echo": True}, 2, 2),
        ("completions", {"prompt_logprobs": 1}, None, 1),
    ],
)
def test_alternatives_are_those_of_the_api(api, body, alternatives, of_the_prompt):
    """A number for completions, a flag and a number for chat."""
    params = read(api, **body)
    assert (params.alternatives, params.prompt_alternatives) == (alternatives, of_the_prompt)


def test_one_stop_string_is_a_list_of_one():
    """Null is none."""
    assert read(stop="a").stops == ["a"]
    assert read(stop=None).stops == []


@pytest.mark.parametrize(
    "body", [{"n": 0}, {"n": 129}, {"n": True}, {"seed": 1.5}, {"stop": [""]}, {"stream": 1}, {"frob": 1}]
)
def test_what_cannot_be_honoured_is_named(body):
    """As vLLM does it."""
    (name,) = body
    with pytest.raises(BadRequest) as refused:
        read(**body)
    assert refused.value.param == name


def test_no_field_is_both_honoured_and_ignored():
    """It would be one or the other by chance."""
    assert not HONOURED & IGNORED

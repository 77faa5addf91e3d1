"""The fields of a completion: which are taken, which refused and by what name, and what they come to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.apis.completions.schema import CompletionRequest
from tests.fakes.openai import completion
from tests.fakes.triton import FakeTriton

PATH = "/v1/completions"


def answered(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = client.post(PATH, json=completion(**fields))
    assert response.status_code == 200, response.text
    return response.json()


def parsed(**fields: Any) -> CompletionRequest:
    return CompletionRequest.model_validate(completion(**fields))


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"suffix": "x"}, "suffix", "unsupported_parameter"),
        ({"best_of": 21}, "best_of", "integer_above_max_value"),
        ({"best_of": 0}, "best_of", "integer_below_min_value"),
        ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
        ({"prompt_logprobs": 1, "stream": True}, "prompt_logprobs", "invalid_value"),
        ({"prompt": ["a"] * 7, "best_of": 20}, "prompt", "invalid_value"),
        ({"logprob_token_ids": [5]}, "logprob_token_ids", "invalid_value"),
        ({"guided_json": {}}, "guided_json", "unsupported_parameter"),
    ],
)
def test_wrong_field_is_named(client: httpx.Client, fields: dict[str, Any], param: str, code: str) -> None:
    """A 400, and Triton is not troubled."""
    response = client.post(PATH, json=completion(**fields))
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, param, code), error


@pytest.mark.parametrize("name", CompletionRequest.hints)
def test_hint_is_accepted(triton: FakeTriton, client: httpx.Client, name: str) -> None:
    """Whatever it says; the engine never hears of it."""
    answered(client, **{name: {"some": ["value"]}})
    assert name not in triton.next_call().body


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([5, 6], [[5, 6]]), ([[5], [6]], [[5], [6]]), ("", [""])],
)
def test_prompt_has_four_forms(prompt: Any, prompts: list[Any]) -> None:
    """What stands alone is a list of one."""
    assert parsed(prompt=prompt).turn().prompts == prompts


@pytest.mark.parametrize(
    ("fields", "generated", "ranks", "n", "logprobs"),
    [
        ({}, 1, False, None, None),
        ({"n": 2}, 2, False, 2, None),
        ({"n": 2, "best_of": 2}, 2, False, 2, None),
        ({"best_of": 3}, 3, True, 3, 0),
        ({"n": 2, "best_of": 3, "logprobs": 4}, 3, True, 3, 4),
    ],
)
def test_best_are_chosen_by_logprobs(
    fields: dict[str, Any], generated: int, ranks: bool, n: int | None, logprobs: int | None
) -> None:
    """Where more is generated than returned the engine is asked for as many, and for what they are ranked by."""
    request = parsed(**fields)
    assert (request.generated, request.ranks) == (generated, ranks)
    params = request.sampling_params()
    assert (params.get("n"), params.get("logprobs")) == (n, logprobs)
    assert "best_of" not in params


@pytest.mark.parametrize(
    ("fields", "echoes", "asks_engine"),
    [
        ({"echo": True}, False, False),
        ({"echo": True, "logprobs": 1}, True, True),
        ({"echo": True, "prompt": [5]}, True, False),
        ({"logprobs": 1}, False, False),
    ],
)
def test_echo_needs_tokens_at_times(fields: dict[str, Any], echoes: bool, asks_engine: bool) -> None:
    """A text is repeated as it is; its log-probabilities, and the text of token ids, need the prompt's tokens."""
    request = parsed(**fields)
    assert request.turn().echoes_tokens is echoes
    assert ("echo" in request.sampling_params()) is asks_engine


def test_turn_asks_for_completions() -> None:
    """With the limit under the name that this API has for it."""
    turn = parsed(max_tokens=0).turn()
    assert (turn.api, turn.param, turn.limit_field, turn.limit) == ("completions", "prompt", "max_tokens", 0)

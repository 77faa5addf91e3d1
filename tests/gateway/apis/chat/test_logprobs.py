"""Log-probabilities as chat has them."""

from __future__ import annotations

from gateway.apis.chat.logprobs import chat_logprobs
from gateway.generation import TokenLogprob


def test_token_is_an_object_with_its_bytes() -> None:
    """Those of its text in UTF-8, and of each alternative's; without any the list is empty."""
    told = chat_logprobs([TokenLogprob(5, "é", -0.5, ((6, "", -1.5),)), TokenLogprob(7, "a", -0.25, ())])
    assert told.model_dump() == {
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [{"token": "", "logprob": -1.5, "bytes": []}],
            },
            {"token": "a", "logprob": -0.25, "bytes": [97], "top_logprobs": []},
        ],
        "refusal": None,
    }


def test_number_is_never_null() -> None:
    """OpenAI's type has no place for that; no tokens are none."""
    assert chat_logprobs([TokenLogprob(5, "a", None, ())]).content[0].logprob == 0.0
    assert chat_logprobs([]).content == []

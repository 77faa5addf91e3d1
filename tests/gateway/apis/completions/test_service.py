"""Fields of a legacy completion over the socket: what reaches the engine, and how the answer tells what came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.openai import chunks, completion
from tests.fakes.tokenizer import toy_tokenizer
from tests.fakes.triton import Call, FakeTriton, Message

PATH = "/v1/completions"


def answered(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = client.post(PATH, json=completion(**fields))
    assert response.status_code == 200, response.text
    return response.json()


def streamed(client: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    return chunks(client.post(PATH, json=completion(stream=True, **fields)).text)


def spelt(call: Call) -> Iterator[Message]:
    """ "Yes" in two tokens with what is asked of them and of the prompt, as vLLM tells it."""
    alternatives = [[7, "N", -1.5]] if call.body.get("logprobs") else []
    if call.body.get("echo") or "prompt_logprobs" in call.body:
        prompt = [None, *([token, "?", -2.0, alternatives] for token in call.token_ids[1:])]
        yield [call.accepted(), [call.rid, "prompt", None, {"logprobs": prompt}]]
    else:
        yield [call.accepted()]
    for token_id, text in ((8, "Y"), (9, "es")):
        extra: dict[str, Any] = {}
        if call.body.get("logprobs") is not None:
            extra["logprobs"] = [[token_id, text, -0.5, alternatives]]
        if call.body.get("return_token_ids"):
            extra["token_ids"] = [token_id]
        yield [[call.rid, "delta", 0, text, 1, extra or None]]
    yield [call.end()]


def of_different_worth(call: Call) -> Iterator[Message]:
    """As many alternatives as were asked for, the likelier the higher their index."""
    n = call.body["n"]
    yield [call.accepted()]
    for choice in range(n):
        yield [call.delta(f"{choice}", choice, [[5, f"{choice}", choice - 10.0, []]])]
    yield [call.end(choice=choice, completion_tokens=n if choice == n - 1 else None) for choice in range(n)]


@pytest.mark.parametrize("body", [{}, {"prompt": None}], ids=["absent", "null"])
def test_without_a_prompt_a_text_begins(triton: FakeTriton, client: httpx.Client, body: dict[str, Any]) -> None:
    """Behind the model's own token for it, in the place of OpenAI's `<|endoftext|>`; there is nothing to echo."""
    request = {**completion(), "echo": True}
    del request["prompt"]
    response = client.post(PATH, json={**request, **body})
    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["text"] == "Hello world."
    assert list(triton.next_call().token_ids) == [0]


def test_echo_repeats_the_prompt(triton: FakeTriton, client: httpx.Client) -> None:
    """Before each alternative of its own prompt, whole and streamed; the engine need not know."""
    fields: dict[str, Any] = {"prompt": ["one ", "two "], "n": 2, "echo": True}
    expected = ["one Hello world."] * 2 + ["two Hello world."] * 2
    assert [choice["text"] for choice in answered(client, **fields)["choices"]] == expected
    assert "echo" not in triton.next_call().body
    texts = [""] * 4
    for chunk in streamed(client, **fields):
        [choice] = chunk["choices"]
        texts[choice["index"]] += choice["text"]
    assert texts == expected


def test_echo_of_tokens_is_their_text(client: httpx.Client) -> None:
    """As the model's own tokeniser has it."""
    [choice] = answered(client, prompt=[43, 72], echo=True)["choices"]
    assert choice["text"] == toy_tokenizer().decode([43, 72]) + "Hello world."


@pytest.mark.parametrize("stream", [False, True])
def test_echo_has_the_prompts_logprobs(triton: FakeTriton, client: httpx.Client, stream: bool) -> None:
    """One list over prompt and answer; the first token has nothing before it."""
    triton.script = spelt
    fields: dict[str, Any] = {"prompt": "ab", "echo": True, "logprobs": 1}
    if stream:
        received = [c["choices"][0] for c in streamed(client, **fields)]
        pieces = [choice["logprobs"] for choice in received if choice["logprobs"]]
        logprobs = {name: [value for piece in pieces for value in piece[name]] for name in pieces[0]}
        assert "".join(choice["text"] for choice in received) == "abYes"
    else:
        [choice] = answered(client, **fields)["choices"]
        logprobs = choice["logprobs"]
        assert choice["text"] == "abYes"
    assert logprobs == {
        "tokens": ["a", "?", "Y", "es"],
        "token_logprobs": [None, -2.0, -0.5, -0.5],
        "top_logprobs": [None, {"?": -2.0, "N": -1.5}, {"Y": -0.5, "N": -1.5}, {"es": -0.5, "N": -1.5}],
        "text_offset": [0, 1, 2, 3],
    }
    body = triton.next_call().body
    assert (body["echo"], body["logprobs"]) == (True, 1)


@pytest.mark.parametrize(("echo", "text"), [(True, "ab"), (False, "")])
def test_no_token_may_be_asked_for(triton: FakeTriton, client: httpx.Client, echo: bool, text: str) -> None:
    """`max_tokens: 0` judges a prompt: the engine makes one token, which nobody hears of or pays for."""
    triton.script = spelt
    answer = answered(client, prompt="ab", echo=echo, max_tokens=0, logprobs=0)
    [choice] = answer["choices"]
    assert (choice["text"], choice["finish_reason"]) == (text, "length")
    assert len((choice["logprobs"] or {"tokens": []})["tokens"]) == len(text)
    assert answer["usage"]["completion_tokens"] == 0
    assert triton.next_call().body["max_tokens"] == 1
    assert "".join(c["choices"][0]["text"] for c in streamed(client, prompt="ab", echo=echo, max_tokens=0)) == text


def test_sampled_token_is_among_the_top(triton: FakeTriton, client: httpx.Client) -> None:
    """One more than was asked for, where it is not of the likeliest: so OpenAI."""
    triton.script = spelt
    [choice] = answered(client, logprobs=1)["choices"]
    assert choice["logprobs"]["top_logprobs"][0] == {"Y": -0.5, "N": -1.5}
    [choice] = answered(client, logprobs=1, return_tokens_as_token_ids=True)["choices"]
    assert choice["logprobs"]["tokens"] == ["token_id:8", "token_id:9"]
    assert choice["logprobs"]["top_logprobs"][0] == {"token_id:8": -0.5, "token_id:7": -1.5}


def test_best_are_told(triton: FakeTriton, client: httpx.Client) -> None:
    """Of three for each prompt the two likeliest, the best first; all of them are paid for."""
    triton.script = of_different_worth
    answer = answered(client, prompt=["a", "b"], n=2, best_of=3)
    assert [(choice["index"], choice["text"]) for choice in answer["choices"]] == [
        (0, "2"),
        (1, "1"),
        (2, "2"),
        (3, "1"),
    ]
    assert all(choice["logprobs"] is None for choice in answer["choices"])
    assert answer["usage"]["completion_tokens"] == 6
    body = triton.next_call().body
    assert (body["n"], body["logprobs"]) == (3, 0)
    assert "best_of" not in body
    told = answered(client, best_of=2, logprobs=0)["choices"][0]
    assert told["logprobs"]["token_logprobs"] == [-9.0]


def test_best_of_one_is_nothing_special(triton: FakeTriton, client: httpx.Client) -> None:
    """Many clients send the default, streamed too."""
    assert answered(client, best_of=1)["choices"][0]["text"] == "Hello world."
    assert "logprobs" not in triton.next_call().body
    assert streamed(client, best_of=2, n=2)


def test_token_ids_are_told(triton: FakeTriton, client: httpx.Client) -> None:
    """Those of the prompt with the first chunk of its choice."""
    triton.script = spelt
    [choice] = answered(client, return_token_ids=True)["choices"]
    sent = triton.next_call().token_ids
    assert (choice["prompt_token_ids"], choice["token_ids"]) == (sent, [8, 9])
    received = [chunk["choices"][0] for chunk in streamed(client, return_token_ids=True)]
    assert [choice.get("token_ids") for choice in received] == [[8], [9], None]
    assert [choice.get("prompt_token_ids") for choice in received] == [sent, None, None]


def test_prompt_logprobs_belong_to_their_prompt(triton: FakeTriton, client: httpx.Client) -> None:
    """Each choice has those of its own."""
    triton.script = spelt
    first, second = answered(client, prompt=["ab", "abc"], prompt_logprobs=0)["choices"]
    assert [len(choice["prompt_logprobs"]) for choice in (first, second)] == [2, 3]
    assert first["prompt_logprobs"][0] is None
    assert "echo" not in triton.next_call().body


def test_prompt_is_cut_on_request(triton: FakeTriton, client: httpx.Client) -> None:
    """What is echoed then is what the model has seen."""
    [choice] = answered(client, prompt="abcdef", truncate_prompt_tokens=2, echo=True)["choices"]
    assert choice["text"] == "efHello world."
    assert len(triton.next_call().token_ids) == 2


def test_usage_may_be_told_on_the_way(client: httpx.Client) -> None:
    """Over all prompts."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    received = streamed(client, prompt=["a", "b"], stream_options=options)
    counts = [chunk["usage"]["completion_tokens"] for chunk in received]
    assert counts == sorted(counts)
    assert counts[-1] == 4
    assert received[-1]["choices"] == []

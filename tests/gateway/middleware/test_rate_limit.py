"""Limits of keys over the socket."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import httpx
import pytest

from gateway.limits import callers
from gateway.limits.quota import Bucket
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import Gate, chat, eventually, streaming
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, FakeTriton

SLOW = {"requests_per_minute": 1}
KEYS = [
    {"name": "once", "key": "sk-once", **SLOW},
    {"name": "broken", "key": "sk-broken", **SLOW},
    {"name": "stream", "key": "sk-stream", **SLOW},
    {"name": "many", "key": "sk-many", "requests_per_minute": 1000},
    {"name": "free", "key": "sk-free"},
    {"name": "talks", "key": "sk-talks", "tokens_per_minute": 1000},
    {"name": "prompts", "key": "sk-prompts", "tokens_per_minute": 1000},
    {"name": "leaves", "key": "sk-leaves", "tokens_per_minute": 1000},
    {"name": "fails", "key": "sk-fails", "tokens_per_minute": 1000},
    {"name": "embeds", "key": "sk-embeds", "tokens_per_minute": 30},
]


@pytest.fixture(scope="module")
def limited(_shared_triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callers, "Bucket", partial(Bucket, clock=lambda: 0))  # no time passes, so that figures are exact
        with running_gateway(triton_urls=(_shared_triton.address,), keys=KEYS, **PROBED_ONCE) as gateway:
            gateway.wait_ready()
            yield gateway


def post(gateway: RunningGateway, key: str, path: str = "/v1/chat/completions", **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer sk-{key}"}
    return httpx.post(f"{gateway.url}{path}", json=body or chat(), headers=headers, timeout=10)


def limits(response: httpx.Response) -> dict[str, str]:
    prefix = "x-ratelimit-"
    return {name.removeprefix(prefix): value for name, value in response.headers.items() if name.startswith(prefix)}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_requests_are_limited(limited: RunningGateway, stream: bool) -> None:
    """429 in the envelope, with the time to wait; the others are not concerned."""
    key = "stream" if stream else "once"
    first = post(limited, key, **chat(stream=stream))
    assert first.status_code == 200
    assert limits(first)["limit-requests"] == "1"
    assert limits(first)["remaining-requests"] == "0"
    second = post(limited, key, **chat(stream=stream))
    assert second.status_code == 429
    error = second.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    assert (second.headers["retry-after"], second.headers["retry-after-ms"]) == ("60", "60000")
    assert limits(second) == {"limit-requests": "1", "remaining-requests": "0", "reset-requests": "1m0s"}
    assert second.headers["x-request-id"]
    assert post(limited, "many").status_code == 200


def test_requests_that_are_refused_count(limited: RunningGateway) -> None:
    """Also those that are no requests at all: they are work too. What asks no model does not."""
    headers = {"authorization": "Bearer sk-broken"}
    for _ in range(3):
        listed = httpx.get(f"{limited.url}/v1/models", headers=headers)
        assert (listed.status_code, limits(listed)) == (200, {})
    broken = httpx.post(f"{limited.url}/v1/chat/completions", content=b"{", headers=headers)
    assert (broken.status_code, limits(broken)["remaining-requests"]) == (400, "0")
    assert post(limited, "broken").status_code == 429


def test_without_limit_nothing_is_told(limited: RunningGateway) -> None:
    """Permits are no rate: of them no header can tell."""
    response = post(limited, "free")
    assert (response.status_code, limits(response)) == (200, {})


def test_tokens_of_inputs_are_limited(limited: RunningGateway) -> None:
    """Texts to embed are counted when they have been; a text too long for ever is told so."""

    def embed(characters: int) -> httpx.Response:
        return post(limited, "embeds", "/v1/embeddings", model=EMBEDDING_MODEL, input=["x" * characters] * 2)

    first = embed(10)
    assert first.status_code == 200
    assert limits(first) == {"limit-tokens": "30", "remaining-tokens": "10", "reset-tokens": "40s"}
    second = embed(10)
    assert second.status_code == 429
    assert (second.json()["error"]["type"], second.json()["error"]["code"]) == ("tokens", "rate_limit_exceeded")
    assert second.headers["retry-after"] == "20"
    never = embed(16)
    assert never.status_code == 429
    assert never.headers["x-should-retry"] == "false"
    assert "retry-after" not in never.headers


PROMPT_TOKENS = 20  # what the template of the toy model makes of "Hi", a token a byte
ANSWER_TOKENS = 2


def left(gateway: RunningGateway, key: str) -> int:
    """What remains of the tokens, as the answer to a request says that takes none."""
    return int(limits(post(gateway, key, "/v1/completions", x=1))["remaining-tokens"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tokens_of_answers_are_limited(limited: RunningGateway, stream: bool) -> None:
    """What could be used is taken first, what was not is put back in the end."""
    before = left(limited, "talks")
    response = post(limited, "talks", **chat(max_tokens=100, stream=stream))
    taken = PROMPT_TOKENS + (100 if stream else ANSWER_TOKENS)  # a stream's headers are sent at its start
    assert int(limits(response)["remaining-tokens"]) == before - taken
    assert left(limited, "talks") == before - PROMPT_TOKENS - ANSWER_TOKENS


def test_answer_that_is_left_costs_what_was_made(limited: RunningGateway, triton: FakeTriton) -> None:
    """Not what it could have become."""
    with Gate(before=2) as gate, limited.client(headers={"authorization": "Bearer sk-leaves"}) as client:
        triton.script = gate
        with streaming(client, chat(max_tokens=100)) as response:
            assert int(limits(response)["remaining-tokens"]) == 1000 - PROMPT_TOKENS - 100
            events = response.iter_raw()
            while b"Hello" not in next(events):
                pass
        eventually(lambda: left(limited, "leaves") == 1000 - PROMPT_TOKENS - 1)


def test_several_prompts_are_counted_together(limited: RunningGateway) -> None:
    """And all their choices."""
    body = {"model": CHAT_MODEL, "prompt": ["a", "bc"], "n": 2, "max_tokens": 5}
    assert post(limited, "prompts", "/v1/completions", **body).status_code == 200
    assert left(limited, "prompts") == 1000 - 1 - 2 - 2 * 2 * ANSWER_TOKENS


def test_request_that_failed_costs_nothing(limited: RunningGateway, triton: FakeTriton) -> None:
    """Refused by the engine before it was begun."""
    triton.script = lambda call: iter([[call.error("unavailable")]])
    assert post(limited, "fails", **chat(max_tokens=100)).status_code == 503
    assert left(limited, "fails") == 1000


def test_answer_too_long_for_the_limit_is_told_so(limited: RunningGateway) -> None:
    """All its choices together."""
    response = post(limited, "talks", **chat(max_tokens=100, n=10))
    assert response.status_code == 429
    assert response.headers["x-should-retry"] == "false"
    assert "Request too large" in response.json()["error"]["message"]

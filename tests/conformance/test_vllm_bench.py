"""`vllm bench serve`, unchanged: each request that it sends is answered, and it can read the times off the stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.target import Target

REQUESTS = 20
# The command line `vllm` asks for a package of that name, and the CPU build has another.
PROGRAM = """\
import argparse
from vllm.benchmarks.serve import add_cli_args, main
parser = argparse.ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("backend", "endpoint"), [("openai-chat", "/v1/chat/completions"), ("openai", "/v1/completions")]
)
def test_generation(target: Target, tokenizer: str, tmp_path: Path, backend: str, endpoint: str) -> None:
    """Streamed, several at a time."""
    result = bench(target, target.model, tokenizer, tmp_path, "--backend", backend, "--endpoint", endpoint)
    assert (result["completed"], result["failed"]) == (REQUESTS, 0)
    assert all(result["generated_texts"])
    assert result["total_output_tokens"] > 0
    assert 0 < result["mean_ttft_ms"] < 10_000
    assert result["mean_itl_ms"] > 0


@pytest.mark.timeout(120)
def test_embeddings(target: Target, embedder: str, tokenizer: str, tmp_path: Path) -> None:
    """With `truncate_prompt_tokens: -1`, as it sends for every text."""
    options = ("--backend", "openai-embeddings", "--endpoint", "/v1/embeddings")
    result = bench(target, embedder, tokenizer, tmp_path, *options)
    assert (result["completed"], result["failed"]) == (REQUESTS, 0)


def bench(target: Target, model: str, tokenizer: str, folder: Path, *options: str) -> dict[str, Any]:
    """What it wrote."""
    command = [sys.executable, "-c", PROGRAM, "--base-url", target.url.removesuffix("/v1"), "--model", model]
    command += ["--tokenizer", tokenizer, "--dataset-name", "random", "--random-input-len", "50"]
    command += ["--random-output-len", "8", "--num-prompts", str(REQUESTS), "--max-concurrency", "4", "--seed", "0"]
    command += ["--save-result", "--save-detailed", "--result-dir", str(folder), "--result-filename", "result.json"]
    environment = {**os.environ, "OPENAI_API_KEY": target.key, "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
    return json.loads((folder / "result.json").read_text())

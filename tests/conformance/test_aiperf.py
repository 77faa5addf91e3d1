"""AIPerf, unchanged: each request that it sends is answered, and it can read the times off the stream."""

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


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_generation(target: Target, tokenizer: str, tmp_path: Path, kind: str) -> None:
    """Streamed, several at a time."""
    result = profile(target, target.model, tokenizer, tmp_path, "--endpoint-type", kind, "--streaming")
    assert result["request_count"]["avg"] == REQUESTS
    assert not result.get("error_request_count")
    assert result["output_sequence_length"]["min"] > 0
    assert 0 < result["time_to_first_token"]["avg"] < 10_000
    assert result["inter_token_latency"]["avg"] > 0


@pytest.mark.timeout(180)
def test_embeddings(target: Target, embedder: str, tokenizer: str, tmp_path: Path) -> None:
    """Its vectors are of one length."""
    result = profile(target, embedder, tokenizer, tmp_path, "--endpoint-type", "embeddings")
    assert result["request_count"]["avg"] == REQUESTS
    assert not result.get("error_request_count")


def profile(target: Target, model: str, tokenizer: str, folder: Path, *options: str) -> dict[str, Any]:
    """What it wrote."""
    command = [Path(sys.executable).with_name("aiperf"), "profile", "--model", model, "--api-key", target.key]
    command += ["--url", target.url.removesuffix("/v1"), "--tokenizer", tokenizer, "--ui", "none"]
    command += ["--request-count", str(REQUESTS), "--concurrency", "4", "--random-seed", "0"]
    command += ["--synthetic-input-tokens-mean", "50", "--output-tokens-mean", "8", "--artifact-dir", folder]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
    return json.loads((folder / "profile_export_aiperf.json").read_text())

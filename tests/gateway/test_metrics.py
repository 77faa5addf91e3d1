"""Metrics: series are looked up once, and told for all workers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import metrics

ROOT = Path(__file__).parents[2]

WORKER = """
import sys
from gateway import metrics
metrics.labelled(metrics.COMPLETION_TOKENS, "m").inc(3)
metrics.IN_FLIGHT.set(2)
"""

TELLER = """
import sys
from gateway import metrics
if len(sys.argv) > 1:
    metrics.forget_process(int(sys.argv[1]))
sys.stdout.write(metrics.exposition().decode())
"""


def test_series_is_looked_up_once() -> None:
    """The same object for the same labels, another for others."""
    first = metrics.labelled(metrics.RETRIES, "a model of this test")
    assert metrics.labelled(metrics.RETRIES, "a model of this test") is first
    assert metrics.labelled(metrics.RETRIES, "another model of this test") is not first


def test_process_tells_its_own() -> None:
    """Where there is one worker, the values are those of this process, in Prometheus's text."""
    metrics.labelled(metrics.PROMPT_TOKENS, "counted here").inc(5)
    assert b'triton_gateway_prompt_tokens_total{model="counted here"} 5.0' in metrics.exposition()
    assert metrics.CONTENT_TYPE.startswith("text/plain")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where several workers leave their values."""
    return tmp_path


def told(folder: Path, *arguments: object) -> str:
    return _run(folder, TELLER, *map(str, arguments)).stdout


def _run(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=15)


def test_any_worker_tells_for_all(folder: Path) -> None:
    """Counters of those that have ended stay; a gauge of one that was forgotten goes."""
    for _ in range(2):
        _run(folder, WORKER)
    gauges = sorted(folder.glob("gauge_livesum_*.db"))
    assert len(gauges) == 2
    pids = [path.stem.rpartition("_")[2] for path in gauges]
    everything = told(folder)
    assert 'triton_gateway_completion_tokens_total{model="m"} 6.0' in everything
    assert "triton_gateway_in_flight 4.0" in everything
    rest = told(folder, pids[0])
    assert 'triton_gateway_completion_tokens_total{model="m"} 6.0' in rest
    assert "triton_gateway_in_flight 2.0" in rest

"""Twin of gateway/cli/gpus/nvidia_smi.py: the program's part is played by recorded outputs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.gpus import nvidia_smi
from gateway.cli.gpus.nvidia_smi import Report


def test_host_without_the_program_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Which is no failure."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_smi.ask() == Report(installed=False)


def test_gpu_is_read(host: Callable[..., Report]):
    """With its memory in GB, what it can compute, and what the driver can."""
    report = host("h100.csv")
    (gpu,) = report.gpus
    assert (gpu.index, gpu.name, gpu.capability, gpu.driver) == (0, "NVIDIA H100 80GB HBM3", (9, 0), "580.95.05")
    assert gpu.total_gb == pytest.approx(85.52, abs=0.01)
    assert (report.cuda, report.failure) == ((13, 0), "")


def test_memory_that_is_not_told_is_unknown(host: Callable[..., Report]):
    """A GPU that shares the host's memory has none of its own."""
    (gpu,) = host("shared_memory.csv").gpus
    assert (gpu.total_gb, gpu.free_gb) == (None, None)


@pytest.mark.parametrize("answer", ["mismatch.txt", "unknown_error.txt", "no_module.txt", "no_devices.txt"])
def test_failure_is_its_text(host: Callable[..., Report], answer: str):
    """It is installed, and there is no GPU."""
    report = host(answer)
    assert report.installed
    assert not report.gpus
    assert report.failure

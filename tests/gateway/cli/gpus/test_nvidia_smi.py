"""Twin of gateway/cli/gpus/nvidia_smi.py: the program's part is played by recorded outputs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.gpus import nvidia_smi
from gateway.cli.gpus.nvidia_smi import Report
from tests.gateway.cli.gpus import recorded


def test_host_without_the_program_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Which is no failure."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_smi.ask() == Report(installed=False)


def test_gpu_is_read(host: Callable[..., Report]):
    """With its memory in GB, what it can compute, and what the driver can."""
    report = host("h100.csv")
    (gpu,) = report.gpus
    assert (gpu.index, gpu.name, gpu.capability, gpu.driver) == (0, "NVIDIA H100 80GB HBM3", (9, 0), "580.159.04")
    assert gpu.total_gb == pytest.approx(85.52, abs=0.01)
    assert (report.cuda, report.failure) == ((13, 0), "")


def test_each_gpu_is_read(host: Callable[..., Report]):
    """In the order of the driver."""
    report = host("two_h100.csv")
    assert [(gpu.index, gpu.uuid[:8], gpu.free_gb == pytest.approx(85.02, abs=0.01)) for gpu in report.gpus] == [
        (0, "GPU-5f2c", True),
        (1, "GPU-6f2c", True),
    ]


def test_parts_of_a_divided_gpu_are_read(host: Callable[..., Report]):
    """With the memory of their profile; each is a GPU to the model that gets it."""
    (gpu,) = host("a100_mig.csv").gpus
    large, small = gpu.parts
    assert (large.name, large.uuid[:8], large.capability) == ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "MIG-377e", (8, 0))
    assert (large.total_gb, small.total_gb) == (pytest.approx(21.5, abs=0.1), pytest.approx(5.4, abs=0.1))
    assert not host("h100.csv").gpus[0].parts


def test_memory_that_is_not_told_is_unknown(host: Callable[..., Report]):
    """A GPU that shares the host's memory has none of its own."""
    (gpu,) = host("shared_memory.csv").gpus
    assert (gpu.total_gb, gpu.free_gb) == (None, None)


@pytest.mark.parametrize("answer", sorted(recorded.STATUSES))
def test_failure_is_its_text(host: Callable[..., Report], answer: str):
    """It is installed, and there is no GPU."""
    report = host(answer)
    assert report.installed
    assert not report.gpus
    assert report.failure

"""Twin of gateway/cli/gpus/findings.py: recorded outputs of nvidia-smi."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.gpus.findings import findings, problems
from gateway.cli.gpus.nvidia_smi import Report


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository with one model in bfloat16, and two whose files the backend refuses."""
    for name, text in (
        ("big", json.dumps({"model": "org/name", "dtype": "bfloat16"})),
        ("broken", "{"),
        ("list", "[]"),
    ):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.json").write_text(text)
    return tmp_path


def told(
    report: Report, models: Path, environment: Mapping[str, str] | None = None, *, cuda: bool, wsl: bool = False
) -> str:
    """Everything that is found, in lines."""
    found = findings(report, [models], environment or {}, cuda=cuda, wsl=wsl)
    return "\n".join(f"WRONG {each}" if isinstance(each, Problem) else each for each in found)


def test_gpu_and_driver_are_told(host: Callable[..., Report], models: Path):
    """And that this Triton is for development."""
    text = told(host("h100.csv"), models, cuda=True)
    assert (
        "GPU 0: NVIDIA H100 80GB HBM3, compute capability 9.0, 85.5 GB, 85.0 GB free; driver 580.159.04, CUDA 13.0"
        in text
    )
    assert "for development" in text
    assert "WRONG" not in text


def test_host_without_gpu_is_in_order(models: Path):
    """It serves on the CPU."""
    report = Report(installed=False)
    assert told(report, models, cuda=False) == "everything runs on the CPU"
    assert "GPU=1 wants a GPU" in told(report, models, cuda=True)


def test_gpu_that_is_not_used_has_nothing_wrong(host: Callable[..., Report], models: Path):
    """With GPU=0 its driver may be as old as it likes."""
    text = told(host("t4_and_p4.csv", "table_535.txt"), models, cuda=False)
    assert "WRONG" not in text
    assert "everything runs on the CPU (GPU=0)" in text
    hidden = told(host("h100.csv"), models, {"CUDA_VISIBLE_DEVICES": ""}, cuda=False)
    assert "everything runs on the CPU (CUDA_VISIBLE_DEVICES is empty)" in hidden


def test_model_for_another_card_is_told(host: Callable[..., Report], models: Path):
    """Before its weights are downloaded."""
    found = problems(host("t4_and_p4.csv"), [models], {"CUDA_VISIBLE_DEVICES": "0"}, cuda=True)
    assert not any("Tesla P4" in each.what for each in found), "it is hidden"
    assert any("big: dtype bfloat16 needs compute capability 8.0; Tesla T4 has 7.5" in each.what for each in found)


def test_full_gpu_is_told(host: Callable[..., Report], models: Path):
    """Others have most of it."""
    assert "big needs 23.7 GB of GPU 0 (NVIDIA GeForce RTX 3090)" in told(host("rtx3090_full.csv"), models, cuda=True)


def test_parts_of_a_divided_gpu_are_told(host: Callable[..., Report], models: Path):
    """By the names that gpu_device_ids takes; the model is judged by the one that it gets."""
    text = told(host("a100_mig.csv"), models, cuda=True)
    assert "  NVIDIA A100-SXM4-40GB MIG 1g.5gb: MIG-4880e005-1ad9-5ef4-a2b1-9b3c8e1f7d20" in text
    assert "WRONG" not in text
    arguments = {"model": "org/name", "kv_cache_memory_bytes": 6 << 30}
    arguments["vllm_custom"] = {"gpu_device_ids": ["MIG-4880e005-1ad9-5ef4-a2b1-9b3c8e1f7d20"]}
    (models / "big" / "1" / "model.json").write_text(json.dumps(arguments))
    mask = {"CUDA_VISIBLE_DEVICES": "MIG-377e0049-554c-540b-93c6-d0976f8426cb,MIG-4880e005"}
    assert "big needs 7.0 GB of GPU 0 (NVIDIA A100-SXM4-40GB MIG 1g.5gb)" in told(
        host("a100_mig.csv"), models, mask, cuda=True
    )


def test_wsl_is_told(host: Callable[..., Report], models: Path):
    """There the driver is not Linux's."""
    assert "WSL2" in told(host("h100.csv"), models, cuda=True, wsl=True)

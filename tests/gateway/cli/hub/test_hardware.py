"""Twin of gateway/cli/hub/hardware.py, over recorded answers of nvidia-smi."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.gpus import nvidia_smi
from gateway.cli.gpus.nvidia_smi import Report
from gateway.cli.hub import hardware
from gateway.cli.hub.hardware import Cards, Machine
from gateway.cli.hub.options import Options
from tests.gateway.cli.gpus import recorded

NONE: Mapping[str, str] = {}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def asking(answer: str) -> Report:
        recorded.install(tmp_path, answer)
        monkeypatch.setenv("PATH", str(tmp_path))
        return nvidia_smi.ask()

    return asking


def wish(**given: object) -> Options:
    return Options(model="a/b", repository=Path("/models"), **given)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("device", "cpu_build", "kind"), [("auto", True, Machine), ("auto", False, Cards), ("cpu", False, Machine)]
)
def test_build_decides_where_it_runs(ask, device: str, cpu_build: bool, kind: type):
    """Unless the device is named."""
    found = hardware.find(wish(device=device), ask("h100.csv"), NONE, cpu_build=cpu_build)
    assert isinstance(found, kind)


def test_build_for_gpus_without_one_is_told(ask):
    """With the reason, where nvidia-smi gives one."""
    with pytest.raises(Problem, match="nvidia-smi"):
        hardware.find(wish(), Report(installed=False), NONE, cpu_build=False)
    with pytest.raises(Problem, match="Driver/library version mismatch"):
        hardware.find(wish(), ask("mismatch.txt"), NONE, cpu_build=False)


@pytest.mark.parametrize(
    ("given", "environment", "indices"),
    [
        ({}, {}, [0]),
        ({"tensor_parallel_size": 2}, {}, [0, 1]),
        ({}, {"CUDA_VISIBLE_DEVICES": "1"}, [1]),
        ({"gpu_device_ids": ("0",)}, {"CUDA_VISIBLE_DEVICES": "1,0"}, [1]),
        ({"gpu_device_ids": ("GPU-1a1b",)}, {}, [1]),
    ],
)
def test_model_gets_the_gpus_that_the_backend_gives_it(
    ask, given: Mapping[str, object], environment: Mapping[str, str], indices: list[int]
):
    """The first visible ones, or those that are named among them."""
    found = hardware.cards(wish(**given), ask("t4_and_p4.csv"), environment)
    assert [gpu.index for gpu in found.cards] == indices


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tensor_parallel_size": 4}, "wants 4 GPUs, and 2 are visible"),
        ({"gpu_device_ids": ("2",)}, "names 2, which is none of the 2"),
        ({"gpu_device_ids": ("GPU-9",)}, "names GPU-9"),
        ({"gpu_device_ids": ("0", "1")}, "TENSOR_PARALLEL_SIZE=1, and --gpu-device-ids names 2"),
    ],
)
def test_too_few_gpus_are_told(ask, given: Mapping[str, object], said: str):
    """Or too many names."""
    with pytest.raises(Problem, match=said):
        hardware.cards(wish(**given), ask("t4_and_p4.csv"), NONE)


def test_part_of_a_divided_gpu_has_the_size_of_the_part(ask):
    """Which `nvidia-smi -L` tells by its name; of a part that it does not list, nothing is known."""
    part = hardware.cards(wish(), ask("a100_mig.csv"), NONE).cards[0]
    assert part.total_gb == pytest.approx(20 * 2**30 / 1e9)
    assert hardware.cards(wish(), ask("a100_mig.csv"), {"CUDA_VISIBLE_DEVICES": "MIG-1"}) == Cards((), 1)


def test_gpu_without_memory_of_its_own_has_the_machine_s(ask, monkeypatch: pytest.MonkeyPatch):
    """Such as GB10."""
    monkeypatch.setattr(hardware, "available_bytes", lambda: 100e9)
    (gpu,) = hardware.cards(wish(), ask("shared_memory.csv"), NONE).cards
    assert (gpu.total_gb, gpu.free_gb) == (100.0, 100.0)


@pytest.mark.parametrize(("flags", "has_amx"), [("avx512f amx_bf16 amx_tile", True), ("avx512_bf16", False)])
def test_machine_with_amx_is_known(tmp_path: Path, flags: str, has_amx: bool, monkeypatch: pytest.MonkeyPatch):
    """By its flags."""
    monkeypatch.setattr(hardware, "available_bytes", lambda: 8e9)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : fpu {flags}\n")
    assert hardware.this_machine(cpuinfo) == Machine(8.0, has_amx)

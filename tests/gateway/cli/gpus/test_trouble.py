"""Twin of gateway/cli/gpus/trouble.py: recorded outputs of nvidia-smi."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.gpus import trouble
from gateway.cli.gpus.nvidia_smi import Report


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        ("mismatch.txt", "reboot"),
        ("unknown_error.txt", "restart the container"),
        ("no_module.txt", "modprobe nvidia"),
        ("no_devices.txt", "dmesg"),
        ("blocked.txt", "wsl --update"),
        ("blocked.txt", "--gpus all"),
        ("no_devices.txt", "--gpus all"),
        ("lost.txt", "reboot"),
        ("no_library.txt", "NVIDIA_DRIVER_CAPABILITIES"),
        ("old_field.txt", "driver 580"),
    ],
)
def test_each_failure_has_its_fix(host: Callable[..., Report], answer: str, fix: str):
    """And the way out that always works."""
    (problem,) = trouble.find(host(answer), {})
    assert fix in problem.fix
    assert "GPU=0" in problem.fix


def test_unknown_failure_is_told_in_its_own_words():
    """Nothing is guessed."""
    (problem,) = trouble.find(Report(installed=True, failure="a new one\nand more"), {})
    assert problem.what == "nvidia-smi does not work: a new one"


def test_good_host_has_no_trouble(host: Callable[..., Report]):
    """Nor has one without a GPU."""
    assert trouble.find(host("h100.csv"), {}) == []
    assert trouble.find(Report(installed=False), {}, lambda _: False) == []


def test_old_driver_of_a_data_centre_card_has_two_ways_out(host: Callable[..., Report]):
    """Forward compatibility is one; the card that is too old for CUDA 13 is told as well."""
    old, card = trouble.find(host("t4_and_p4.csv", "table_535.txt"), {})
    assert "The driver 535.183.01 runs CUDA up to 12.2" in old.what
    assert "cuda-compat-13-0 makes do" in old.fix
    assert "GPU 1 (Tesla P4) has compute capability 6.1" in card.what


def test_old_driver_of_another_card_has_one_way_out(host: Callable[..., Report]):
    """Its driver has to be replaced."""
    (old,) = trouble.find(host("rtx3090_full.csv", "table_535.txt"), {})
    assert "not for NVIDIA GeForce RTX 3090" in old.fix


@pytest.mark.parametrize("there", ["/dev/nvidiactl", "/proc/driver/nvidia/version"])
@pytest.mark.parametrize("container", ["/.dockerenv", "/run/.containerenv"])
def test_container_without_the_toolkit_is_told(there: str, container: str):
    """The host's driver shows, and nvidia-smi is not there."""
    (problem,) = trouble.find(Report(installed=False), {}, {there, container}.__contains__)
    assert "container was not given it" in problem.what
    assert "--gpus all" in problem.fix


def test_program_of_wsl_that_is_not_on_the_path_is_told():
    """As under sudo, which has a path of its own."""
    (problem,) = trouble.find(Report(installed=False), {}, {"/usr/lib/wsl/lib/nvidia-smi"}.__contains__)
    assert "PATH=" in problem.fix


@pytest.mark.parametrize(
    ("gpu", "mask"),
    [
        ("h100.csv", "0"),
        ("h100.csv", "GPU-5f2cd3a1"),
        ("two_h100.csv", "1,0"),
        ("a100_mig.csv", "MIG-377e0049-554c-540b-93c6-d0976f8426cb"),
        ("a100_mig.csv", "MIG-GPU-7f2cd3a1-6a0b-4b0e-8d2e-1c9f3f7e0a11/1/0"),
    ],
)
def test_mask_that_names_a_gpu_is_in_order(host: Callable[..., Report], gpu: str, mask: str):
    """By number, or by the beginning of a UUID; or a part of one."""
    assert trouble.find(host(gpu), {"CUDA_VISIBLE_DEVICES": mask}) == []


@pytest.mark.parametrize(
    ("gpu", "mask", "names"),
    [
        ("two_h100.csv", None, ["NVIDIA H100 80GB HBM3"] * 2),
        ("two_h100.csv", "1,7,0", ["NVIDIA H100 80GB HBM3"]),
        ("a100_mig.csv", None, ["NVIDIA A100-SXM4-40GB MIG 3g.20gb"]),
        ("a100_mig.csv", "0", ["NVIDIA A100-SXM4-40GB MIG 3g.20gb"]),
        ("a100_mig.csv", "MIG-4880", ["NVIDIA A100-SXM4-40GB MIG 1g.5gb"]),
    ],
)
def test_visible_is_what_cuda_shows(host: Callable[..., Report], gpu: str, mask: str | None, names: list[str]):
    """A name that names nothing hides all that follow it; of a divided GPU it shows one part."""
    environment = {} if mask is None else {"CUDA_VISIBLE_DEVICES": mask}
    assert [each.name for each in trouble.visible(host(gpu).gpus, environment)] == names


def test_divided_gpu_without_parts_is_told(host: Callable[..., Report]):
    """CUDA sees nothing of it."""
    (problem,) = trouble.find(host("a100_mig.csv", listing="no_devices.txt"), {})
    assert "has no MIG device" in problem.what


@pytest.mark.parametrize("mask", ["1", "", "GPU-ffff", "none", "MIG-377e0049-554c-540b-93c6-d0976f8426cb"])
def test_mask_that_names_nothing_is_told(host: Callable[..., Report], mask: str):
    """CUDA would hide the GPU without a word."""
    (problem,) = trouble.find(host("h100.csv"), {"CUDA_VISIBLE_DEVICES": mask})
    assert "is none of this host" in problem.what


def test_mask_of_a_divided_gpu_is_told(host: Callable[..., Report]):
    """Its parts have names of their own."""
    (problem,) = trouble.find(host("a100_mig.csv"), {"CUDA_VISIBLE_DEVICES": "0"})
    assert "divided into MIG devices" in problem.what


@pytest.mark.parametrize(
    ("version", "is_wsl"), [("Linux version 6.6.87.2-microsoft-standard-WSL2", True), ("Linux version 6.1.0", False)]
)
def test_wsl_is_known_by_its_kernel(tmp_path: Path, version: str, is_wsl: bool):
    """Microsoft builds it."""
    (tmp_path / "version").write_text(version)
    assert trouble.is_wsl(tmp_path / "version") is is_wsl

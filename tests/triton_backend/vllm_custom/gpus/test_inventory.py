"""The GPUs of a host, by all their names."""

from __future__ import annotations

import pytest
from vllm_custom.gpus.inventory import Gpu, Inventory, Shown, read_listing, visible
from vllm_custom.gpus.probe import is_for_cuda, list_gpus

# As nvidia-smi writes it.
LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-7f57f032-34ab-a064-c37c-7a4f75601cc5)
  MIG 2g.20gb     Device  0: (UUID: MIG-377e0049-554c-540b-93c6-d0976f8426cb)
  MIG 1g.10gb     Device  1: (UUID: MIG-f39aa248-6f1b-5769-b119-8d650bb34b27)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-8c7c9c30-f12f-20bf-e14e-d3c4c965af32)
"""
PAIR = Inventory((Gpu("GPU-aa11", "H100"), Gpu("GPU-aa22", "H100")))


def test_listing_is_read():
    """Each GPU with its UUID, its product, and its MIG devices in order."""
    assert read_listing(LISTING) == Inventory(
        (
            Gpu(
                "GPU-7f57f032-34ab-a064-c37c-7a4f75601cc5",
                "NVIDIA H100 80GB HBM3",
                ("MIG-377e0049-554c-540b-93c6-d0976f8426cb", "MIG-f39aa248-6f1b-5769-b119-8d650bb34b27"),
            ),
            Gpu("GPU-8c7c9c30-f12f-20bf-e14e-d3c4c965af32", "NVIDIA H100 80GB HBM3"),
        )
    )


@pytest.mark.parametrize("listing", ["", "No devices found.\n", "NVIDIA-SMI has failed because …"])
def test_listing_without_a_gpu_is_no_inventory(listing):
    """What says nothing is not taken for a host without GPUs."""
    assert read_listing(listing) is None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, None),
        ("", ()),
        ("0", ("0",)),
        ("2, 3", ("2", "3")),
        ("GPU-aa11,MIG-bb", ("GPU-aa11", "MIG-bb")),
        ("0,-1,1", ("0",)),
        ("none", ()),
        ("1,,2", ("1",)),
    ],
)
def test_visible_devices_are_read_as_cuda_does(value, names):
    """The first entry that is no device hides what follows."""
    assert visible(value) == names


def test_nothing_set_shows_all():
    """They are then numbered."""
    assert Shown({}, PAIR).names == ("0", "1")
    assert Shown({}, None).names is None


def test_number_of_no_device_hides_what_follows():
    """CUDA does the same."""
    assert Shown({"CUDA_VISIBLE_DEVICES": "1,2,0"}, PAIR).names == ("1",)


def test_divided_gpu_is_not_counted():
    """Of a GPU with MIG devices CUDA shows one, and which numbers are left is its secret."""
    assert Shown({}, read_listing(LISTING)).names is None


def test_short_uuid_is_completed():
    """CUDA takes the beginning of a UUID, vLLM only all of it."""
    shown = Shown({"CUDA_VISIBLE_DEVICES": "GPU-aa2,GPU-aa1"}, PAIR)
    assert shown.names == ("GPU-aa22", "GPU-aa11")
    assert shown.full("GPU-aa") is None


@pytest.mark.parametrize(
    ("products", "order", "known"), [("AA", None, True), ("AB", None, False), ("AB", "PCI_BUS_ID", True)]
)
def test_number_is_a_uuid_only_where_the_order_is_known(products, order, known):
    """CUDA numbers the fastest first, so that on a mixed host its numbers are not the driver's."""
    mixed = Inventory(tuple(Gpu(f"GPU-{n}", product) for n, product in enumerate(products)))
    shown = Shown({"CUDA_DEVICE_ORDER": order} if order else {}, mixed)
    assert shown.uuid("1") == ("GPU-1" if known else None)


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
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    assert is_for_cuda() is cuda


def test_environment_without_torch_is_not_for_cuda():
    """Whatever the engine is then, it has no GPU."""
    assert not is_for_cuda("torch-that-nobody-has")

"""The GPUs of a host, by all their names."""

from __future__ import annotations

import pytest
from vllm_custom.gpus.inventory import Gpu, Inventory, VisibleDevices, read_listing, visible

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
    assert VisibleDevices({}, PAIR).names == ("0", "1")
    assert VisibleDevices({}, None).names is None


def test_number_of_no_device_hides_what_follows():
    """CUDA does the same."""
    assert VisibleDevices({"CUDA_VISIBLE_DEVICES": "1,2,0"}, PAIR).names == ("1",)


def test_divided_gpu_is_not_counted():
    """Of a GPU with MIG devices CUDA shows one, and which numbers are left is its secret."""
    assert VisibleDevices({}, read_listing(LISTING)).names is None


def test_short_uuid_is_completed():
    """CUDA takes the beginning of a UUID, vLLM only all of it."""
    shown = VisibleDevices({"CUDA_VISIBLE_DEVICES": "GPU-aa2,GPU-aa1"}, PAIR)
    assert shown.names == ("GPU-aa22", "GPU-aa11")
    assert shown.full("GPU-aa") is None


@pytest.mark.parametrize(
    ("products", "order", "known"), [("AA", None, True), ("AB", None, False), ("AB", "PCI_BUS_ID", True)]
)
def test_number_is_a_uuid_only_where_the_order_is_known(products, order, known):
    """CUDA numbers the fastest first, so that on a mixed host its numbers are not the driver's."""
    mixed = Inventory(tuple(Gpu(f"GPU-{n}", product) for n, product in enumerate(products)))
    shown = VisibleDevices({"CUDA_DEVICE_ORDER": order} if order else {}, mixed)
    assert shown.uuid("1") == ("GPU-1" if known else None)

"""The GPUs of this host and those of them that are visible (pure).

A *name* is what may stand in CUDA_VISIBLE_DEVICES: a number, or a UUID, which begins with GPU- or MIG- and may be cut short.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
GPU = "GPU-"
MIG = "MIG-"
# Lines like "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-7f…)" and, indented below it, "MIG 3g.20gb Device 0: (UUID: MIG-37…)".
_LISTED = re.compile(r"^\s*(GPU|MIG) ([^:]*): ?(.*?) ?\(UUID: ([^)]+)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gpu:
    """`slices`: the UUIDs of its MIG devices."""

    uuid: str
    product: str
    slices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """The GPUs of this host, in the order of the driver, whatever is visible of them."""

    gpus: tuple[Gpu, ...]

    @property
    def uuids(self) -> list[str]:
        return [uuid for gpu in self.gpus for uuid in (gpu.uuid, *gpu.slices)]


def read_listing(listing: str) -> Inventory | None:
    """The GPUs in what `nvidia-smi -L` has printed; None if there are none."""
    gpus: list[Gpu] = []
    for kind, _, product, uuid in _LISTED.findall(listing):
        if kind == "GPU":
            gpus.append(Gpu(uuid, product))
        elif gpus:
            gpus[-1] = Gpu(gpus[-1].uuid, gpus[-1].product, (*gpus[-1].slices, uuid))
    return Inventory(tuple(gpus)) if gpus else None


def is_name(name: str) -> bool:
    return (name.isdigit() and name.isascii()) or name.startswith((GPU, MIG))


def visible(value: str | None) -> tuple[str, ...] | None:
    """The names in CUDA_VISIBLE_DEVICES, as CUDA reads it: an entry that is no name hides itself and all that follow.

    None where the variable is not set, so that nothing is hidden.
    """
    if value is None:
        return None
    names: list[str] = []
    for entry in value.split(","):
        name = entry.strip()
        if not is_name(name):
            break
        names.append(name)
    return tuple(names)


class VisibleDevices:
    """The visible devices, by every name that can be known of them."""

    def __init__(self, environment: Mapping[str, str], inventory: Inventory | None) -> None:
        self.value = environment.get(VISIBLE)
        self.inventory = inventory
        names = visible(self.value)
        # CUDA counts the fastest first unless CUDA_DEVICE_ORDER says otherwise; among equals that is the driver's order.
        products = {gpu.product for gpu in inventory.gpus} if inventory else set[str]()
        self._is_numbered = len(products) == 1 or (bool(products) and environment.get(ORDER) == "PCI_BUS_ID")
        if names is None and inventory is not None and not any(gpu.slices for gpu in inventory.gpus):
            names = tuple(str(number) for number in range(len(inventory.gpus)))
        self.names = (
            None if names is None else tuple(self.full(name) or name for name in takewhile(self._exists, names))
        )

    def full(self, name: str) -> str | None:
        """The whole UUID that begins with a UUID which may be cut short; None if there is none, or more than one."""
        if name.isdigit() or self.inventory is None:
            return None
        matching = [uuid for uuid in self.inventory.uuids if uuid.startswith(name)]
        return matching[0] if len(matching) == 1 else None

    def uuid(self, name: str) -> str | None:
        """The UUID of what has this name; None if that is not known."""
        if not name.isdigit():
            return self.full(name)
        if self.inventory is None or not self._is_numbered or int(name) >= len(self.inventory.gpus):
            return None
        return self.inventory.gpus[int(name)].uuid

    def owner(self, name: str) -> Gpu | None:
        """The GPU of this name, or the one that a MIG device of this name is part of; None if that is not known."""
        uuid = self.uuid(name)
        gpus = self.inventory.gpus if self.inventory else ()
        return next((gpu for gpu in gpus if uuid == gpu.uuid or uuid in gpu.slices), None)

    def numbered(self, number: int) -> str | None:
        """The name of the visible device with this number; None if there are fewer."""
        if self.names is None:
            return str(number)
        return self.names[number] if number < len(self.names) else None

    def _exists(self, name: str) -> bool:
        """Whether there may be such a device. CUDA hides a name without one, and all that follow it."""
        if self.inventory is None or "/" in name:  # MIG-GPU-…/1/2 is the older way to name a slice
            return True
        return int(name) < len(self.inventory.gpus) if name.isdigit() else self.full(name) is not None

    def __str__(self) -> str:
        if self.value is None:
            return f"this host has {len(self.names or ())}"
        if not self.names:
            return f"{VISIBLE}={self.value} hides all GPUs"
        return f"{VISIBLE}={self.value} shows {len(self.names)}"

"""Which GPUs an engine gets (pure): environment in, environment out.

CUDA_VISIBLE_DEVICES, Inventory ──► VisibleDevices ─┐
                                                    ├─► place ─► this engine's CUDA_VISIBLE_DEVICES, and its devices
gpu_device_ids, KIND_GPU ───────► PlacementRequest ─┘

Numbers in gpu_device_ids, and Triton's own, count among the visible devices, as they do for CUDA and for vLLM. A device
that is hidden from this process stays hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from ..errors import ConfigError
from .inventory import MIG, VISIBLE, Inventory, VisibleDevices, is_name

# Their product is how many processes compute, each on a device of its own.
SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size", "data_parallel_size")
KIND_MODEL = "instance_group [ { kind: KIND_MODEL count: 1 } ]"


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """What a model's configuration asks for. `kind` and `device` are Triton's, `ids` is gpu_device_ids."""

    source: str
    arguments: Mapping[str, Any]
    ids: Sequence[int | str] = ()
    kind: str = "MODEL"
    device: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """What to set in the environment. `devices` are the UUIDs, or else the names, of those that the engine will use; empty
    when that can't be known."""

    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    devices: tuple[str, ...] = ()


def place(request: PlacementRequest, environment: Mapping[str, str], inventory: Inventory | None) -> Placement:
    """The devices of a model. Raises ConfigError, with the line to change, where they don't suit it."""
    visible = VisibleDevices(environment, inventory)
    needed = devices_needed(request)
    if request.kind == "GPU" and request.device >= 0:
        return _placed(_triton_choice(request, visible, needed), visible)
    if request.ids:
        return _placed(_own_choice(request, visible, needed), visible)
    return _vllm_choice(request, visible, needed)


def devices_needed(request: PlacementRequest) -> int | None:
    """How many devices on this host; None where Ray or another launcher starts the ranks, perhaps on other hosts."""
    arguments = request.arguments
    backends = (arguments.get("distributed_executor_backend"), arguments.get("data_parallel_backend"))
    if "ray" in backends or "external_launcher" in backends or arguments.get("data_parallel_size_local") == 0:
        return None
    sizes = {name: _size(request, name) for name in SIZES}
    if arguments.get("data_parallel_size_local") is not None:
        sizes["data_parallel_size"] = _size(request, "data_parallel_size_local")
    hosts = _size(request, "nnodes")
    if hosts > 1 and _size(request, "data_parallel_size") > 1:
        return None  # how the ranks lie on the hosts is vLLM's to work out
    return math.prod(sizes.values()) // hosts


def _triton_choice(request: PlacementRequest, visible: VisibleDevices, needed: int | None) -> list[str]:
    """The one GPU of an instance group of KIND_GPU, which is for models on one GPU, as for NVIDIA's backend."""
    line = f"in config.pbtxt: {KIND_MODEL}"
    if needed != 1:
        what = "an engine of Ray's" if needed is None else f"one on {needed} GPUs"
        _refuse(request, f"KIND_GPU in config.pbtxt gives one GPU to the engine, and this is {what}", line)
    if (name := visible.numbered(request.device)) is None:
        _refuse(request, f"Triton chose GPU {request.device}, and {visible}", line)
    if request.ids and _identities(_own_choice(request, visible, needed), visible) != _identities([name], visible):
        what = f"gpu_device_ids is {list(request.ids)}, and KIND_GPU in config.pbtxt chose GPU {request.device}"
        _refuse(request, what, line)
    return [name]


def _own_choice(request: PlacementRequest, visible: VisibleDevices, needed: int | None) -> list[str]:
    """The devices of gpu_device_ids."""
    if needed is None:
        _refuse(
            request, "gpu_device_ids has no say where Ray or another launcher finds the devices", "no gpu_device_ids"
        )
    if request.arguments.get("device_ids"):
        _refuse(request, "gpu_device_ids and vLLM's device_ids both choose", "one of them")
    names = [_chosen(request, str(name).strip(), visible) for name in request.ids]
    devices = _identities(names, visible)
    if len(set(devices)) < len(names):
        _refuse(request, f"gpu_device_ids is {list(request.ids)}, which names a device twice", "each device once")
    if needed != len(names):
        what = f"gpu_device_ids names {_count(len(names))}, and {_product(request)} is {needed}"
        _refuse(request, what, *_fitting_size(request, len(names)), f"{needed} in gpu_device_ids")
    if len(names) > 1 and any(device.startswith(MIG) for device in devices):
        what = f"gpu_device_ids names {_count(len(names))}, and CUDA shows a process one MIG device at most"
        _refuse(request, what, 'one in gpu_device_ids, and "tensor_parallel_size": 1')
    if _is_mixed(devices) and _is_mixed(names):
        _refuse(
            request, f"gpu_device_ids is {list(request.ids)}", "numbers alone, or UUIDs alone: CUDA takes no mixture"
        )
    return names


def _vllm_choice(request: PlacementRequest, visible: VisibleDevices, needed: int | None) -> Placement:
    """The first of those that are visible, which vLLM takes by itself."""
    names = visible.names
    if needed is None or names is None or request.arguments.get("device_ids"):
        return Placement()
    if needed > len(names):
        lines = [*_fitting_size(request, len(names)), '"distributed_executor_backend": "ray" for several hosts']
        _refuse(request, f"{_product(request)} is {needed}, and {visible}", *lines)
    taken = tuple(_identities(names[:needed], visible))
    return Placement(devices=taken) if visible.value is None else replace(_placed(names, visible), devices=taken)


def _chosen(request: PlacementRequest, name: str, visible: VisibleDevices) -> str:
    """One entry of gpu_device_ids, by the name that it has for CUDA."""
    if not is_name(name):
        _refuse(request, f"gpu_device_ids has {name!r}", "a number, or a UUID that begins with GPU- or MIG-")
    found = visible.numbered(int(name)) if name.isdigit() else _by_uuid(request, name, visible)
    if found is None:
        what = f"gpu_device_ids has {name}, and {visible}"
        _refuse(request, what, f"numbers below {len(visible.names or ())}, which count among the visible devices")
    gpu = visible.owner(found)
    if gpu is not None and gpu.slices and gpu.uuid == visible.uuid(found):
        _refuse(request, f"{gpu.uuid} is divided into MIG devices", f"one of {', '.join(gpu.slices)} in gpu_device_ids")
    return found


def _by_uuid(request: PlacementRequest, name: str, visible: VisibleDevices) -> str:
    full = visible.full(name)
    if visible.inventory is not None and full is None:
        what = f"gpu_device_ids has {name}, with which not exactly one UUID of this host begins"
        _refuse(request, what, f"one of {', '.join(visible.inventory.uuids)}")
    if visible.value is None:
        return full or name
    for other in visible.names or ():
        if full is not None:
            gpu = visible.owner(full)
            if visible.uuid(other) in (full, gpu.uuid if gpu else full):
                return full
        # Without a list of the devices, a UUID is recognised by its beginning.
        elif other.startswith(name) or name.startswith(other):
            return max(name, other, key=len)
    return _refuse(
        request, f"gpu_device_ids has {name}, not seen among what {visible}", "one of those, or its number among them"
    )


def _placed(names: Sequence[str], visible: VisibleDevices) -> Placement:
    """The placement on these devices. CUDA takes no mixture of numbers and UUIDs; vLLM needs whole UUIDs without blanks."""
    devices = _identities(names, visible)
    return Placement({VISIBLE: ",".join(devices if _is_mixed(names) else names)}, tuple(devices))


def _identities(names: Sequence[str], visible: VisibleDevices) -> list[str]:
    return [visible.uuid(name) or name for name in names]


def _is_mixed(names: Sequence[str]) -> bool:
    return len({name.isdigit() for name in names}) > 1


def _size(request: PlacementRequest, name: str) -> int:
    value = request.arguments.get(name)
    if value is None:  # as it is for vLLM
        return 1
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{request.source}: {name} is {value!r}; write a whole number above 0")
    return value


def _product(request: PlacementRequest) -> str:
    """The factors by name: those that are written in the arguments, and the two best known."""
    product = " * ".join(name for name in SIZES if name in request.arguments or name in SIZES[:2])
    return f"{product} / nnodes" if _size(request, "nnodes") > 1 else product


def _fitting_size(request: PlacementRequest, devices: int) -> list[str]:
    """The tensor_parallel_size that suits so many devices, as a line to write, if there is one."""
    rest = (devices_needed(request) or 0) // _size(request, "tensor_parallel_size")
    return [f'"tensor_parallel_size": {devices // rest}'] if devices and rest and devices % rest == 0 else []


def _count(devices: int) -> str:
    return "1 device" if devices == 1 else f"{devices} devices"


def _refuse(request: PlacementRequest, what: str, *lines: str) -> NoReturn:
    raise ConfigError(f"{request.source}: {what}. Write {', or '.join(lines)}")

"""Which GPUs an engine gets (pure): environment in, environment out.

CUDA_VISIBLE_DEVICES, Inventory ─► Shown ─┬─► place ─► the CUDA_VISIBLE_DEVICES of this engine, and the devices it takes
gpu_device_ids, KIND_GPU ─────────► Wish ─┘

Numbers in gpu_device_ids, and Triton's own, count among the visible devices, as they do for CUDA and for vLLM. What
somebody outside has hidden stays hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from ..errors import ConfigError
from .inventory import MIG, VISIBLE, Inventory, Shown, is_name

# Their product is how many processes compute, each on a device of its own.
SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "prefill_context_parallel_size", "data_parallel_size")
KIND_MODEL = "instance_group [ { kind: KIND_MODEL count: 1 } ]"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a model's configuration says. `kind` and `device` are Triton's, `ids` is gpu_device_ids."""

    source: str
    arguments: Mapping[str, Any]
    ids: Sequence[int | str] = ()
    kind: str = "MODEL"
    device: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """`devices` are the UUIDs, or else the names, of those that the engine will use; empty when that can't be known."""

    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    devices: tuple[str, ...] = ()


def place(wish: Wish, environment: Mapping[str, str], inventory: Inventory | None) -> Placement:
    """Raises ConfigError where the devices don't suit the model, with the line to change."""
    shown = Shown(environment, inventory)
    needed = devices_needed(wish)
    if wish.kind == "GPU" and wish.device >= 0:
        return _placed(_triton_choice(wish, shown, needed), shown)
    if wish.ids:
        return _placed(_own_choice(wish, shown, needed), shown)
    return _vllm_choice(wish, shown, needed)


def devices_needed(wish: Wish) -> int | None:
    """How many on this host; None where Ray finds them, on other hosts perhaps, or somebody else starts the ranks."""
    arguments = wish.arguments
    backends = (arguments.get("distributed_executor_backend"), arguments.get("data_parallel_backend"))
    if "ray" in backends or "external_launcher" in backends or arguments.get("data_parallel_size_local") == 0:
        return None
    sizes = {name: _size(wish, name) for name in SIZES}
    if arguments.get("data_parallel_size_local") is not None:
        sizes["data_parallel_size"] = _size(wish, "data_parallel_size_local")
    hosts = _size(wish, "nnodes")
    if hosts > 1 and _size(wish, "data_parallel_size") > 1:
        return None  # how the ranks lie on the hosts is vLLM's to work out
    return math.prod(sizes.values()) // hosts


def _triton_choice(wish: Wish, shown: Shown, needed: int | None) -> list[str]:
    """The one GPU of an instance group of KIND_GPU, which is for models on one GPU, as for NVIDIA's backend."""
    line = f"in config.pbtxt: {KIND_MODEL}"
    if needed != 1:
        what = "an engine of Ray's" if needed is None else f"one on {needed} GPUs"
        _refuse(wish, f"KIND_GPU in config.pbtxt gives one GPU to the engine, and this is {what}", line)
    if (name := shown.numbered(wish.device)) is None:
        _refuse(wish, f"Triton chose GPU {wish.device}, and {shown}", line)
    if wish.ids and _identities(_own_choice(wish, shown, needed), shown) != _identities([name], shown):
        what = f"gpu_device_ids is {list(wish.ids)}, and KIND_GPU in config.pbtxt chose GPU {wish.device}"
        _refuse(wish, what, line)
    return [name]


def _own_choice(wish: Wish, shown: Shown, needed: int | None) -> list[str]:
    """The devices of gpu_device_ids."""
    if needed is None:
        _refuse(wish, "gpu_device_ids has no say where Ray or another launcher finds the devices", "no gpu_device_ids")
    if wish.arguments.get("device_ids"):
        _refuse(wish, "gpu_device_ids and vLLM's device_ids both choose", "one of them")
    names = [_chosen(wish, str(name).strip(), shown) for name in wish.ids]
    devices = _identities(names, shown)
    if len(set(devices)) < len(names):
        _refuse(wish, f"gpu_device_ids is {list(wish.ids)}, which names a device twice", "each device once")
    if needed != len(names):
        what = f"gpu_device_ids names {_count(len(names))}, and {_product(wish)} is {needed}"
        _refuse(wish, what, *_fitting_size(wish, len(names)), f"{needed} in gpu_device_ids")
    if len(names) > 1 and any(device.startswith(MIG) for device in devices):
        what = f"gpu_device_ids names {_count(len(names))}, and CUDA shows a process one MIG device at most"
        _refuse(wish, what, 'one in gpu_device_ids, and "tensor_parallel_size": 1')
    if _is_mixed(devices) and _is_mixed(names):
        _refuse(wish, f"gpu_device_ids is {list(wish.ids)}", "numbers alone, or UUIDs alone: CUDA takes no mixture")
    return names


def _vllm_choice(wish: Wish, shown: Shown, needed: int | None) -> Placement:
    """The first of those that are visible, which vLLM takes by itself."""
    names = shown.names
    if needed is None or names is None or wish.arguments.get("device_ids"):
        return Placement()
    if needed > len(names):
        lines = [*_fitting_size(wish, len(names)), '"distributed_executor_backend": "ray" for several hosts']
        _refuse(wish, f"{_product(wish)} is {needed}, and {shown}", *lines)
    taken = tuple(_identities(names[:needed], shown))
    return Placement(devices=taken) if shown.value is None else replace(_placed(names, shown), devices=taken)


def _chosen(wish: Wish, name: str, shown: Shown) -> str:
    """One entry of gpu_device_ids, by the name that it has for CUDA."""
    if not is_name(name):
        _refuse(wish, f"gpu_device_ids has {name!r}", "a number, or a UUID that begins with GPU- or MIG-")
    found = shown.numbered(int(name)) if name.isdigit() else _by_uuid(wish, name, shown)
    if found is None:
        what = f"gpu_device_ids has {name}, and {shown}"
        _refuse(wish, what, f"numbers below {len(shown.names or ())}, which count among the visible devices")
    gpu = shown.owner(found)
    if gpu is not None and gpu.slices and gpu.uuid == shown.uuid(found):
        _refuse(wish, f"{gpu.uuid} is divided into MIG devices", f"one of {', '.join(gpu.slices)} in gpu_device_ids")
    return found


def _by_uuid(wish: Wish, name: str, shown: Shown) -> str:
    full = shown.full(name)
    if shown.inventory is not None and full is None:
        what = f"gpu_device_ids has {name}, with which not exactly one UUID of this host begins"
        _refuse(wish, what, f"one of {', '.join(shown.inventory.uuids)}")
    if shown.value is None:
        return full or name
    for other in shown.names or ():
        if full is not None:
            gpu = shown.owner(full)
            if shown.uuid(other) in (full, gpu.uuid if gpu else full):
                return full
        # Without a list of devices, a UUID is recognised by what there is of it.
        elif other.startswith(name) or name.startswith(other):
            return max(name, other, key=len)
    return _refuse(
        wish, f"gpu_device_ids has {name}, not seen among what {shown}", "one of those, or its number among them"
    )


def _placed(names: Sequence[str], shown: Shown) -> Placement:
    """CUDA takes no mixture of numbers and UUIDs, and vLLM wants UUIDs whole and without blanks."""
    devices = _identities(names, shown)
    return Placement({VISIBLE: ",".join(devices if _is_mixed(names) else names)}, tuple(devices))


def _identities(names: Sequence[str], shown: Shown) -> list[str]:
    return [shown.uuid(name) or name for name in names]


def _is_mixed(names: Sequence[str]) -> bool:
    return len({name.isdigit() for name in names}) > 1


def _size(wish: Wish, name: str) -> int:
    value = wish.arguments.get(name)
    if value is None:  # as it is for vLLM
        return 1
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{wish.source}: {name} is {value!r}; write a whole number above 0")
    return value


def _product(wish: Wish) -> str:
    """What is multiplied, by name: what is written, and the two that everybody knows."""
    product = " * ".join(name for name in SIZES if name in wish.arguments or name in SIZES[:2])
    return f"{product} / nnodes" if _size(wish, "nnodes") > 1 else product


def _fitting_size(wish: Wish, devices: int) -> list[str]:
    """The tensor_parallel_size that suits so many devices, as a line to write, if there is one."""
    rest = (devices_needed(wish) or 0) // _size(wish, "tensor_parallel_size")
    return [f'"tensor_parallel_size": {devices // rest}'] if devices and rest and devices % rest == 0 else []


def _count(devices: int) -> str:
    return "1 device" if devices == 1 else f"{devices} devices"


def _refuse(wish: Wish, what: str, *lines: str) -> NoReturn:
    raise ConfigError(f"{wish.source}: {what}. Write {', or '.join(lines)}")

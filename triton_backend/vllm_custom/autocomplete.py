"""Completes config.pbtxt: adds what is left out, keeps what is written, and refuses a conflict with the line to change.

Triton runs this in a process of its own before the model is loaded, so nothing here may be slow to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .contract.tensors import INPUTS as NATIVE_INPUTS
from .contract.tensors import OUTPUTS as NATIVE_OUTPUTS
from .errors import ConfigError
from .official import tensors as official

# A model answers NVIDIA's clients and ours, whichever of the two its config.pbtxt was written for.
INPUTS = (*official.INPUTS, *NATIVE_INPUTS)
OUTPUTS = (*official.OUTPUTS, *NATIVE_OUTPUTS)


class ModelConfig(Protocol):
    """The part of Triton's helper that is used."""

    def as_dict(self) -> dict[str, Any]: ...
    def set_max_batch_size(self, max_batch_size: int) -> None: ...
    def add_input(self, input: dict[str, Any]) -> None: ...
    def add_output(self, output: dict[str, Any]) -> None: ...
    def set_model_transaction_policy(self, transaction_policy_dict: dict[str, Any]) -> None: ...


def complete(config: ModelConfig) -> ModelConfig:
    """Add what is left out, and return the configuration. Raises ConfigError where it contradicts what an engine needs."""
    written = config.as_dict()
    refuse_conflicts(written)
    for tensor in _missing(written.get("input", ()), INPUTS):
        config.add_input(dict(tensor))
    for tensor in _missing(written.get("output", ()), OUTPUTS):
        config.add_output(dict(tensor))
    _relax(written.get("input", ()))
    config.set_max_batch_size(0)
    config.set_model_transaction_policy({"decoupled": True})
    return config


def _relax(inputs: Sequence[dict[str, Any]]) -> None:
    """Make all inputs optional. NVIDIA's samples declare `text_input` and `stream` as required, and a native request has
    neither: Triton would refuse it before the backend sees it. What a request must have, the backend checks."""
    ours = {tensor["name"] for tensor in INPUTS}
    for tensor in inputs:
        if tensor["name"] in ours:
            tensor["optional"] = True


def refuse_conflicts(written: Mapping[str, Any]) -> None:
    """The checks of `complete` alone, for the load: auto-completion can be switched off. Raises ConfigError."""
    name = written.get("name", "?")
    _check_batching(name, written)
    _check_decoupled(name, written)
    _check_instances(name, written.get("instance_group", ()))
    _check_tensors(name, "input", written.get("input", ()), INPUTS)
    _check_tensors(name, "output", written.get("output", ()), OUTPUTS)


def _check_batching(name: str, written: Mapping[str, Any]) -> None:
    if (size := written.get("max_batch_size", 0)) != 0:
        _refuse(name, f"max_batch_size is {size}", "vLLM batches by itself", "max_batch_size: 0")
    for scheduler in ("dynamic_batching", "sequence_batching"):
        if written.get(scheduler) is not None:
            _refuse(name, f"{scheduler} is set", "vLLM batches by itself", f"no {scheduler}")


def _check_decoupled(name: str, written: Mapping[str, Any]) -> None:
    policy = written.get("model_transaction_policy")
    if policy is not None and policy.get("decoupled") is not True:
        _refuse(
            name,
            "model_transaction_policy is not decoupled",
            "a request has many responses",
            "model_transaction_policy { decoupled: true }",
        )


def _check_instances(name: str, groups: Sequence[Mapping[str, Any]]) -> None:
    # A group of KIND_GPU has `count` instances on each of its GPUs.
    count = sum(int(group.get("count", 1)) * max(1, len(group.get("gpus", ()))) for group in groups)
    if count > 1:
        _refuse(
            name,
            f"instance_group, or Triton's default of one instance a GPU where it is missing, makes {count} instances",
            "each would load an engine of its own; one engine takes several GPUs by tensor_parallel_size in model.json",
            "instance_group [ { kind: KIND_MODEL count: 1 } ]",
        )


def _check_tensors(
    name: str, kind: str, written: Sequence[Mapping[str, Any]], needed: Sequence[Mapping[str, Any]]
) -> None:
    by_name = {tensor["name"]: tensor for tensor in needed}
    for tensor in written:
        if (ours := by_name.get(tensor["name"])) is None:
            continue
        if tensor.get("data_type") != ours["data_type"] or not _fits(tensor, ours):
            line = f'{kind} [ {{ name: "{ours["name"]}" data_type: {ours["data_type"]} dims: {_dims(ours)} }} ]'
            _refuse(name, f"the {kind} {ours['name']} is declared otherwise", "both sides must agree", line)


def _fits(written: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    # NVIDIA's backend takes its own tensors however they are shaped in config.pbtxt, so samples differ in that.
    return _dims(written) == _dims(ours) or (ours in official.INPUTS or ours in official.OUTPUTS)


def _dims(tensor: Mapping[str, Any]) -> list[int]:
    # Triton's JSON writes int64 as text.
    return [int(size) for size in tensor.get("dims", ())]


def _missing(written: Sequence[Mapping[str, Any]], needed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {tensor["name"] for tensor in written}
    return [tensor for tensor in needed if tensor["name"] not in names]


def _refuse(name: str, what: str, why: str, line: str) -> None:
    raise ConfigError(f"config.pbtxt of {name}: {what}, but {why}. Write: {line}")

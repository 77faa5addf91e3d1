"""Tensors and parameters have the same names in the gateway, in the backends and in every configuration."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.triton import tensors
from gateway.triton.discovery import from_config

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = sorted((ROOT / "model_repository").glob("*/config.pbtxt"))

TYPES = {"BYTES": model_config_pb2.TYPE_STRING, "INT32": model_config_pb2.TYPE_INT32}


def config(path: Path) -> Any:
    return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


def strings(path: Path) -> set[str]:
    """Every string that stands in a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def constants(path: Path) -> dict[str, Any]:
    """What a module assigns at its top, where that is made of literals and other such names."""
    known: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, (ast.Constant, ast.Tuple)):
            known[target.id] = eval(compile(ast.Expression(value), str(path), "eval"), {}, dict(known))
    return known


def complete(parsed: Any) -> None:
    """What the backend adds to the configuration of a language model (`autocomplete.py`)."""
    backend = constants(ROOT / "triton_backend" / "vllm_custom" / "contract" / "tensors.py")
    for given, into in ((backend["INPUTS"], parsed.input), (backend["OUTPUTS"], parsed.output)):
        for tensor in given:
            into.add(name=tensor["name"], data_type=tensor["data_type"], dims=tensor["dims"])
    parsed.model_transaction_policy.decoupled = True


def test_backend_reads_what_the_gateway_sends() -> None:
    """The tensors of the contract: each name stands once on either side, under the same constant."""
    backend = constants(ROOT / "triton_backend" / "vllm_custom" / "contract" / "tensors.py")
    for name in ("REQUEST", "TOKEN_IDS", "RECORDS", "PART"):
        assert backend[name] == getattr(tensors, name)
    assert {tensor["name"] for tensor in backend["INPUTS"]} >= {tensors.REQUEST, tensors.TOKEN_IDS}
    assert {tensor["name"] for tensor in backend["OUTPUTS"]} >= {tensors.RECORDS, tensors.PART}


def test_file_server_writes_what_the_gateway_reads() -> None:
    """`assets` answers with records and parts."""
    server = strings(ROOT / "model_repository" / "assets" / "1" / "model.py")
    assert {tensors.REQUEST, tensors.RECORDS, tensors.PART} <= server


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parent.name)
def test_every_configuration_is_recognised(path: Path) -> None:
    """Each model of the repository is one that the gateway knows what to do with, under the name of its folder."""
    parsed = config(path)
    assert parsed.name in ("", path.parent.name)
    parsed.name = path.parent.name
    if parsed.backend == "vllm_custom" and not parsed.input:
        complete(parsed)
    model = from_config(parsed)
    assert model is not None
    inputs = {tensor.name: tensor for tensor in parsed.input}
    outputs = {tensor.name: tensor for tensor in parsed.output}
    if model.task in ("generation", "assets"):
        assert inputs[tensors.REQUEST].data_type == TYPES["BYTES"]
        assert outputs[tensors.RECORDS].data_type == TYPES["BYTES"]
        assert parsed.model_transaction_policy.decoupled
        assert model.task == "generation" or tensors.PART in outputs
    else:
        assert set(inputs) == {tensors.INPUT_IDS, tensors.ATTENTION_MASK}
        assert all(tensor.data_type == model_config_pb2.TYPE_INT64 for tensor in inputs.values())
        assert all(list(tensor.dims) == [-1] for tensor in inputs.values())
        assert set(outputs) == {tensors.ROWS}
        assert outputs[tensors.ROWS].data_type == model_config_pb2.TYPE_FP32
        assert model.max_batch_size > 1
        assert model.max_tokens > 0


def test_the_contract_names_the_same() -> None:
    """The table of `docs/contract.md`."""
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    for name in (tensors.REQUEST, tensors.TOKEN_IDS, tensors.RECORDS, tensors.PART):
        assert f"`{name}` |" in text
    for name in (tensors.INPUT_IDS, tensors.ATTENTION_MASK, tensors.ROWS, tensors.TASK_PARAMETER):
        assert f"`{name}`" in text or f".{name}`" in text
    assert f'{{"v": {tensors.CONTRACT_VERSION},' in text

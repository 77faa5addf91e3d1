"""Completing config.pbtxt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from vllm_custom.autocomplete import INPUTS, OUTPUTS, complete, refuse_conflicts
from vllm_custom.contract.tensors import INPUTS as NATIVE_INPUTS
from vllm_custom.errors import ConfigError

from tests.fakes.triton_python_backend import ModelConfig

ROOT = Path(__file__).parents[3]
BACKEND = ROOT / "triton_backend" / "vllm_custom"


def completed(**written):
    return complete(ModelConfig(written)).as_dict()


def test_empty_configuration_is_completed(model_py):
    """With nothing written but the backend, everything that vLLM needs is there afterwards."""
    config = model_py.TritonPythonModel.auto_complete_config(ModelConfig({})).as_dict()
    assert config["input"] == list(INPUTS)
    assert config["output"] == list(OUTPUTS)
    assert config["max_batch_size"] == 0
    assert config["model_transaction_policy"] == {"decoupled": True}


def test_what_is_written_stays():
    """Tensors of the user's own, and ours with more said about them, are left as they are."""
    mine = {"name": "trace", "data_type": "TYPE_STRING", "dims": [1], "optional": True}
    ours = {**NATIVE_INPUTS[1], "dims": ["-1"], "allow_ragged_batch": True}
    config = completed(input=[mine, ours], parameters={"a": {"string_value": "b"}})
    assert config["input"][:2] == [mine, ours]
    added = [tensor["name"] for tensor in INPUTS if tensor["name"] != "token_ids"]
    assert [tensor["name"] for tensor in config["input"][2:]] == added
    assert config["parameters"] == {"a": {"string_value": "b"}}


def test_sample_of_nvidia_takes_native_requests_too():
    """Inputs that NVIDIA's samples require become optional, because a native request lacks them; no more is changed."""
    sample = [
        {"name": "text_input", "data_type": "TYPE_STRING", "dims": ["1"], "optional": False},
        {"name": "stream", "data_type": "TYPE_BOOL", "dims": ["1"]},
        {"name": "mine", "data_type": "TYPE_BOOL", "dims": ["1"], "optional": False},
    ]
    output = [{"name": "text_output", "data_type": "TYPE_STRING", "dims": ["-1"]}]
    config = completed(input=[dict(tensor) for tensor in sample], output=output)
    assert [tensor.get("optional") for tensor in config["input"][:3]] == [True, True, False]
    assert all(tensor["optional"] for tensor in config["input"] if tensor["name"] != "mine")
    assert {tensor["name"] for tensor in config["output"]} == {tensor["name"] for tensor in OUTPUTS}


def test_official_tensors_may_be_shaped_otherwise():
    """Only the data type of NVIDIA's own tensors has to agree, as with NVIDIA's backend."""
    shaped = {"name": "num_input_tokens", "data_type": "TYPE_UINT32", "dims": [-1]}
    assert completed(output=[shaped])["output"][0] == shaped


def test_completing_twice_changes_nothing():
    """A configuration that has been completed, or was written out, passes."""
    config = ModelConfig({})
    once = dict(complete(config).as_dict())
    assert complete(config).as_dict() == once


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ({"max_batch_size": 8}, "max_batch_size: 0"),
        ({"dynamic_batching": {}}, "no dynamic_batching"),
        ({"sequence_batching": {}}, "no sequence_batching"),
        ({"model_transaction_policy": {"decoupled": False}}, "model_transaction_policy { decoupled: true }"),
        ({"model_transaction_policy": {}}, "model_transaction_policy { decoupled: true }"),
        ({"instance_group": [{"kind": "KIND_MODEL", "count": 2}]}, "count: 1"),
        ({"instance_group": [{"kind": "KIND_GPU", "count": 1, "gpus": [0, 1]}]}, "count: 1"),
        ({"instance_group": [{"count": 1}, {"count": 1}]}, "count: 1"),
        ({"input": [{"name": "request", "data_type": "TYPE_UINT8", "dims": [1]}]}, "data_type: TYPE_STRING dims: [1]"),
        ({"input": [{"name": "token_ids", "data_type": "TYPE_INT32", "dims": [8]}]}, "dims: [-1]"),
        ({"input": [{"name": "stream", "data_type": "TYPE_STRING", "dims": [1]}]}, "data_type: TYPE_BOOL"),
        ({"output": [{"name": "records", "data_type": "TYPE_STRING", "dims": [-1]}]}, "dims: [1]"),
    ],
)
def test_conflict_names_the_line_to_write(written, line):
    """What contradicts an engine's needs is refused with the line that ends the conflict, and nothing is overridden."""
    config = ModelConfig(written)
    before = dict(config.as_dict())
    with pytest.raises(ConfigError) as refusal:
        complete(config)
    assert line in str(refusal.value)
    assert config.as_dict() == before


def test_conflicts_are_refused_at_load_too(start, model_py, model_directory):
    """Where auto-completion is switched off, loading the model makes the same checks."""
    from tests.triton_backend.vllm_custom.conftest import arguments

    model = model_py.TritonPythonModel()
    with pytest.raises(ConfigError, match="max_batch_size: 0"):
        model.initialize(arguments(model_directory, max_batch_size=4))


@pytest.mark.parametrize(
    ("group", "passes"),
    [
        ({"kind": "KIND_CPU", "count": 1, "gpus": []}, True),
        ({"kind": "KIND_GPU", "count": 1, "gpus": [0]}, True),
        ({"kind": "KIND_GPU", "count": 1, "gpus": [0, 1, 2, 3]}, False),
    ],
)
def test_group_that_triton_makes_up_is_for_one_device(group, passes):
    """Without an instance_group in config.pbtxt Triton writes one of all its GPUs, and the load shows it to us."""
    written = {"name": "toy", "instance_group": [{"name": "toy", **group}]}
    if passes:
        refuse_conflicts(written)
        return
    with pytest.raises(ConfigError, match="where it is missing, makes 4 instances") as refusal:
        refuse_conflicts(written)
    assert "Write: instance_group [ { kind: KIND_MODEL count: 1 } ]" in str(refusal.value)


def test_one_instance_on_one_gpu_passes():
    """A single instance may name its GPU."""
    refuse_conflicts({"name": "toy", "instance_group": [{"kind": "KIND_GPU", "count": 1, "gpus": [1]}]})


def test_completing_does_not_import_vllm():
    """Triton completes the configuration in a process of its own: it must take no longer than an import of numpy."""
    script = """
import sys
from tests.fakes import triton_python_backend as triton
with triton.installed():
    import importlib.util
    spec = importlib.util.spec_from_file_location("model", sys.argv[1])
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    model.TritonPythonModel.auto_complete_config(triton.ModelConfig({}))
heavy = {"vllm", "torch", "transformers", "tokenizers", "asyncio", "PIL"} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script, str(BACKEND / "model.py")], check=True, cwd=ROOT, timeout=20)

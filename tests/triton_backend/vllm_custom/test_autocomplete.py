"""Completing config.pbtxt."""

from __future__ import annotations

import pytest
from vllm_custom.autocomplete import complete, refuse_conflicts
from vllm_custom.errors import ConfigError
from vllm_custom.tensors import INPUTS, OUTPUTS

from tests.fakes.triton_python_backend import ModelConfig


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
    ours = {**INPUTS[1], "dims": ["-1"], "allow_ragged_batch": True}
    config = completed(input=[mine, ours], parameters={"a": {"string_value": "b"}})
    assert config["input"][:2] == [mine, ours]
    assert [tensor["name"] for tensor in config["input"]] == ["trace", "token_ids", "request", "media"]
    assert config["parameters"] == {"a": {"string_value": "b"}}


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


def test_one_instance_on_one_gpu_passes():
    """A single instance may name its GPU."""
    refuse_conflicts({"name": "toy", "instance_group": [{"kind": "KIND_GPU", "count": 1, "gpus": [1]}]})

"""config.pbtxt, as Triton hands it over, to checked values."""

from typing import Any

import numpy as np
import pytest

from triton_backend.pytorch.config import parse
from triton_backend.pytorch.errors import ConfigError


def _config(**changes: Any) -> dict[str, Any]:
    tensors = {
        "input": [{"name": "INPUT__0", "data_type": "TYPE_INT64", "dims": [-1]}],
        "output": [{"name": "OUTPUT__0", "data_type": "TYPE_FP32", "dims": [1]}],
    }
    return {"max_batch_size": 8, "default_model_filename": "", "parameters": {}, **tensors, **changes}


def _parameters(**values: str) -> dict[str, Any]:
    return _config(parameters={name: {"string_value": value} for name, value in values.items()})


def test_defaults_are_the_official_ones() -> None:
    """No parameters: model.pt, inference mode and optimised execution on, threads as PyTorch likes."""
    config = parse(_config())
    assert config.filename == "model.pt"
    assert config.batched
    assert config.inference_mode
    assert config.optimized_execution
    assert config.intra_op_threads is None
    assert config.inter_op_threads is None
    assert config.inputs[0].dtype == np.int64


def test_parameters_are_read() -> None:
    """The official names, in any spelling of true and false that Triton's own backend takes."""
    config = parse(
        _parameters(
            INTRA_OP_THREAD_COUNT="3",
            INTER_OP_THREAD_COUNT="2",
            INFERENCE_MODE="False",
            DISABLE_OPTIMIZED_EXECUTION="true",
        )
    )
    assert (config.intra_op_threads, config.inter_op_threads) == (3, 2)
    assert not config.inference_mode
    assert not config.optimized_execution


def test_num_threads_is_the_other_name() -> None:
    """NVIDIA's Python runtime calls it NUM_THREADS; the C++ name wins when both are there."""
    assert parse(_parameters(NUM_THREADS="4")).intra_op_threads == 4
    assert parse(_parameters(NUM_THREADS="4", INTRA_OP_THREAD_COUNT="1")).intra_op_threads == 1


def test_unknown_parameters_are_left_alone() -> None:
    """The gateway and the Python backend keep theirs in the same place."""
    assert parse(_parameters(openai_task="embedding", EXECUTION_ENV_PATH="x")).batched


@pytest.mark.parametrize("name", ["INTRA_OP_THREAD_COUNT", "INTER_OP_THREAD_COUNT", "NUM_THREADS"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "", "1.5", "²"])
def test_thread_counts_must_be_whole(name: str, value: str) -> None:
    """A count that PyTorch would not take is refused by name."""
    with pytest.raises(ConfigError, match=name):
        parse(_parameters(**{name: value}))


@pytest.mark.parametrize(("value", "fraction"), [("0.25", 0.25), ("1", 1.0), (" .5 ", 0.5)])
def test_gpu_memory_fraction_is_read(value: str, fraction: float) -> None:
    """A share of the GPU; without the parameter there is no limit."""
    assert parse(_parameters(GPU_MEMORY_FRACTION=value)).gpu_memory_fraction == fraction
    assert parse(_config()).gpu_memory_fraction is None


@pytest.mark.parametrize("value", ["0", "1.1", "-0.5", "half", "nan", "", "1e-1", "²"])
def test_gpu_memory_fraction_must_be_one(value: str) -> None:
    """What is no share is refused by name."""
    with pytest.raises(ConfigError, match="GPU_MEMORY_FRACTION"):
        parse(_parameters(GPU_MEMORY_FRACTION=value))


@pytest.mark.parametrize("name", ["INFERENCE_MODE", "DISABLE_OPTIMIZED_EXECUTION"])
def test_flags_must_be_true_or_false(name: str) -> None:
    """A word that merely looks like yes is refused by name."""
    with pytest.raises(ConfigError, match=name):
        parse(_parameters(**{name: "yes"}))


@pytest.mark.parametrize("data_type", ["TYPE_STRING", "TYPE_BF16", "TYPE_UINT64"])
def test_types_that_cannot_be_passed_are_refused(data_type: str) -> None:
    """What PyTorch or numpy cannot hold is refused at load, with the name of the tensor."""
    with pytest.raises(ConfigError, match="'x'"):
        parse(_config(input=[{"name": "x", "data_type": data_type, "dims": [1]}]))


@pytest.mark.parametrize("kind", ["input", "output"])
def test_tensors_must_be_listed(kind: str) -> None:
    """TorchScript does not say what its tensors are, so an empty list cannot be completed."""
    with pytest.raises(ConfigError, match=f"lists no {kind}"):
        parse(_config(**{kind: []}))


def test_max_batch_size_0_means_no_batch() -> None:
    """Then the first dimension is the model's own."""
    assert not parse(_config(max_batch_size=0)).batched

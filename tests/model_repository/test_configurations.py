"""The committed config.pbtxt of the PyTorch models and the file server, read with Triton's own schema."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

REPOSITORY = Path(__file__).parents[2] / "model_repository"
PYTORCH = {"all-minilm-l6-v2": "embedding", "moderation": "moderation"}


def _config(model: str) -> model_config_pb2.ModelConfig:
    text = (REPOSITORY / model / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize(("model", "task"), PYTORCH.items())
def test_pytorch_models_keep_the_contract(model: str, task: str) -> None:
    """Names, types and shapes of the tensors, the task and the longest input are what the gateway expects."""
    config = _config(model)
    int64, fp32 = model_config_pb2.DataType.TYPE_INT64, model_config_pb2.DataType.TYPE_FP32
    inputs = [(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in config.input]
    assert inputs == [("INPUT__0", int64, [-1]), ("INPUT__1", int64, [-1])]
    assert [(tensor.name, tensor.data_type, len(tensor.dims)) for tensor in config.output] == [("OUTPUT__0", fp32, 1)]
    assert config.parameters["openai_task"].string_value == task
    assert int(config.parameters["max_tokens"].string_value) > 0


@pytest.mark.parametrize("model", PYTORCH)
def test_pytorch_models_load_on_either_backend(model: str) -> None:
    """Everything that newer Tritons would fill in differently is explicit, and no field chooses a runtime."""
    config = _config(model)
    assert (config.backend, config.platform) == ("pytorch", "pytorch_libtorch")
    assert config.default_model_filename == "model.pt"
    assert config.runtime == ""


@pytest.mark.parametrize("model", PYTORCH)
def test_pytorch_models_batch_without_a_queue_policy(model: str) -> None:
    """Triton's dynamic batcher joins requests. With any policy of its queue it does not prefetch, and then what comes while
    the instance is busy waits for half a second."""
    config = _config(model)
    assert config.max_batch_size > 1
    assert config.dynamic_batching.max_queue_delay_microseconds > 0
    assert not config.dynamic_batching.HasField("default_queue_policy")
    assert [group.count for group in config.instance_group] == [1]


def test_engines_choose_their_own_devices() -> None:
    """One instance of KIND_MODEL for every model on vLLM: with KIND_GPU it could never have more than one GPU."""
    configs = [_config(path.parent.name) for path in REPOSITORY.glob("*/config.pbtxt")]
    engines = [config for config in configs if config.backend in ("vllm_custom", "vllm")]
    kind_model = model_config_pb2.ModelInstanceGroup.Kind.KIND_MODEL
    assert engines
    for config in engines:
        assert [(group.kind, group.count, list(group.gpus)) for group in config.instance_group] == [(kind_model, 1, [])]


def test_the_file_server_is_decoupled() -> None:
    """It answers with many responses, takes one envelope at a time and is marked as what it is."""
    config = _config("assets")
    assert config.backend == "python"
    assert config.model_transaction_policy.decoupled
    assert config.max_batch_size == 0
    assert config.parameters["openai_task"].string_value == "assets"
    assert [tensor.name for tensor in config.input] == ["request"]
    assert [tensor.name for tensor in config.output] == ["records", "part"]

"""Twin of gateway/cli/hub/model_files.py."""

import json
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.cli.hub.families import Parsers
from gateway.cli.hub.model_files import configuration, model_json
from gateway.cli.hub.options import Options
from gateway.cli.hub.sizing import Sizes
from tests.gateway.cli.hub.models import COMMIT, listing


def written(sizes: Sizes, parsers: Parsers, **given: Any) -> dict[str, Any]:
    return json.loads(model_json(listing(), sizes, parsers, Options(model="a/b", repository=Path("/models"), **given)))


def test_triton_reads_the_configuration():
    """One engine on our backend, named by its folder."""
    parsed: Any = text_format.Parse(configuration(listing()), model_config_pb2.ModelConfig())
    assert (parsed.backend, parsed.name) == ("vllm_custom", "")
    assert [(group.kind, group.count) for group in parsed.instance_group] == [
        (model_config_pb2.ModelInstanceGroup.KIND_MODEL, 1)
    ]


def test_model_is_pinned_to_its_commit():
    """What is vLLM's own default is not written."""
    sizes = Sizes(max_model_len=40960, max_num_seqs=256, gpu_memory_utilization=0.85)
    assert written(sizes, Parsers("hermes", "qwen3")) == {
        "model": "Qwen/Qwen3-0.6B",
        "revision": COMMIT,
        "max_model_len": 40960,
        "max_num_seqs": 256,
        "gpu_memory_utilization": 0.85,
        "vllm_custom": {"tool_parser": "hermes", "reasoning_parser": "qwen3"},
    }


def test_several_gpus_are_named():
    """As the backend wants them: indices as numbers, UUIDs as texts."""
    both = written(Sizes(), Parsers(None, None), tensor_parallel_size=2, gpu_device_ids=("1", "GPU-5f2c"))
    assert both["tensor_parallel_size"] == 2
    assert both["vllm_custom"] == {"gpu_device_ids": [1, "GPU-5f2c"]}


def test_cache_on_a_cpu_is_written_both_ways():
    """A variable of Triton's environment would go before the argument."""
    sizes = Sizes(dtype="bfloat16", kv_cache_gib=2)
    assert written(sizes, Parsers(None, None), gpu_device_ids=("0",)) == {
        "model": "Qwen/Qwen3-0.6B",
        "revision": COMMIT,
        "dtype": "bfloat16",
        "kv_cache_memory_bytes": 2147483648,
        "enforce_eager": True,
        "vllm_custom": {"environment": {"VLLM_CPU_KVCACHE_SPACE": "2"}},
    }

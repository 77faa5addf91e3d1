"""What is taken for granted about vLLM where it must not be imported."""

from __future__ import annotations

import dataclasses

import pytest
from vllm.config import CacheConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS, get_quantization_config
from vllm_custom.configuration.config import LEAST_SHARE, EngineConfig, engine_args
from vllm_custom.gpus.claims import USUAL_SHARE
from vllm_custom.gpus.placement import SIZES
from vllm_custom.gpus.probe import is_for_cuda

from gateway.cli.gpus.quantization import QUANTIZATIONS
from gateway.cli.gpus.trouble import LEAST_CAPABILITY


def test_usual_share_is_vllms_own() -> None:
    """Of the memory of a GPU, where gpu_memory_utilization is not written."""
    assert CacheConfig().gpu_memory_utilization == USUAL_SHARE


def test_fixed_cache_needs_no_share_of_the_gpu(tmp_path) -> None:
    """vLLM would not start unless so much of the GPU is free; a share that is written stays."""
    for written, share in (({}, LEAST_SHARE), ({"gpu_memory_utilization": 0.5}, 0.5)):
        arguments = {"model": "m", "kv_cache_memory_bytes": 1 << 30, **written}
        config = EngineConfig("m", tmp_path / "model.json", "vllm", arguments)
        assert engine_args(config).gpu_memory_utilization == share


def test_arguments_that_place_an_engine_exist() -> None:
    """All sizes that multiply, each 1 unless it is written, and the ways out of one host."""
    fields = {field.name: field for field in dataclasses.fields(AsyncEngineArgs)}
    assert [fields[name].default for name in SIZES] == [1] * len(SIZES)
    assert fields["nnodes"].default == 1
    others = {"distributed_executor_backend", "data_parallel_backend", "data_parallel_size_local", "device_ids"}
    shares = {"gpu_memory_utilization", "kv_cache_memory_bytes", "enable_sleep_mode"}
    assert others | shares <= fields.keys()


def test_build_for_the_cpu_is_recognised() -> None:
    """By versions and packages, as vLLM's own platform is."""
    from vllm.platforms import current_platform

    if current_platform.is_unspecified():
        pytest.skip("a build for CUDA knows itself only on a host with a GPU")
    assert is_for_cuda() == current_platform.is_cuda()


@pytest.mark.usefixtures("locked_vllm")
def test_methods_that_want_a_newer_gpu_are_known() -> None:
    """All others run wherever CUDA 13 does."""
    wanted = {name: divmod(get_quantization_config(name).get_min_capability(), 10) for name in QUANTIZATION_METHODS}
    assert {name: needed for name, needed in wanted.items() if needed > LEAST_CAPABILITY} == QUANTIZATIONS

"""What is taken for granted about vLLM's arguments where it must not be imported."""

from __future__ import annotations

import dataclasses

from vllm.config import CacheConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm_custom.gpus.claims import USUAL_SHARE
from vllm_custom.gpus.placement import SIZES
from vllm_custom.gpus.probe import is_for_cuda


def test_usual_share_is_vllms_own() -> None:
    """Of the memory of a GPU, where gpu_memory_utilization is not written."""
    assert CacheConfig().gpu_memory_utilization == USUAL_SHARE


def test_arguments_that_place_an_engine_exist() -> None:
    """All sizes that multiply, each 1 unless it is written, and the ways out of one host."""
    fields = {field.name: field for field in dataclasses.fields(AsyncEngineArgs)}
    assert [fields[name].default for name in SIZES] == [1] * len(SIZES)
    assert fields["nnodes"].default == 1
    others = {"distributed_executor_backend", "data_parallel_backend", "data_parallel_size_local", "device_ids"}
    shares = {"gpu_memory_utilization", "kv_cache_memory_bytes", "enable_sleep_mode"}
    assert others | shares <= fields.keys()


def test_build_for_the_cpu_is_recognised() -> None:
    """By its version, as vLLM's own platform is."""
    from vllm.platforms import current_platform

    assert is_for_cuda() == current_platform.is_cuda()

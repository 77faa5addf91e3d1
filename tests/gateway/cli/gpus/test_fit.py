"""Twin of gateway/cli/gpus/fit.py."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.cli.errors import Problem
from gateway.cli.gpus import fit
from gateway.cli.gpus.nvidia_smi import Gpu
from gateway.cli.gpus.wanted import Wanted

T4 = Gpu(0, "Tesla T4", "GPU-1", 16.1, 15.6, (7, 5), "580.95.05", is_split=False)
H100 = Gpu(1, "H100", "GPU-2", 85.5, 85.0, (9, 0), "580.95.05", is_split=False)
MIG = Gpu(1, "H100 MIG 1g.10gb", "MIG-1", 10.7, 10.7, (9, 0), "580.95.05", is_split=False)


def model(
    arguments: Mapping[str, Any], weights_gb: float = 1.0, name: str = "m", config: Mapping[str, Any] | None = None
) -> Wanted:
    return Wanted(name, arguments, config or {}, weights_gb)


def on_ids(*ids: Any) -> Wanted:
    return model({"vllm_custom": {"gpu_device_ids": list(ids)}})


def found(*models: Wanted, gpu: Gpu = H100) -> list[Problem]:
    return list(fit.check(models, [gpu]))


@pytest.mark.parametrize(
    ("wanted", "gpus"),
    [
        (model({}), [T4]),
        (on_ids(1), [H100]),
        (on_ids("1"), [H100]),
        (on_ids("GPU-2"), [H100]),
        (on_ids("MIG-1"), [MIG]),
        (on_ids(1, 0), [H100, T4]),
        (on_ids(3), []),
        (on_ids(0, 3), []),
        (on_ids(None, {}), []),
        (model({"vllm_custom": "x"}), [T4]),
        (model({"vllm_custom": {"gpu_device_ids": 1}}), [T4]),
        (model({"tensor_parallel_size": 2}), [T4, H100]),
        (model({"tensor_parallel_size": "2"}), [T4, H100]),
        (model({"tensor_parallel_size": True}), [T4]),
        (model({"tensor_parallel_size": 2, "distributed_executor_backend": "ray"}), []),
        (replace(model({}), device=1), [H100]),
        (replace(model({}), device=5), []),
    ],
)
def test_model_is_judged_by_the_gpus_that_it_gets(wanted: Wanted, gpus: list[Gpu]):
    """Which its files may choose; what can't be told, or is wrong, is left to the backend."""
    assert fit.gpus_of(wanted, [T4, H100, MIG]) == gpus


@pytest.mark.parametrize(
    ("arguments", "config", "needed"),
    [
        ({"dtype": "bfloat16"}, {}, "dtype bfloat16 needs compute capability 8.0"),
        ({"quantization": "modelopt"}, {}, "quantization modelopt needs compute capability 8.0"),
        ({"kv_cache_dtype": "fp8"}, {}, "kv_cache_dtype fp8 needs compute capability 8.0"),
        ({}, {"quantization_config": {"quant_method": "mxfp4"}}, "quantization mxfp4 needs compute capability 8.0"),
    ],
)
def test_setting_that_the_card_cannot_do_is_told(arguments: Mapping[str, str], config: Mapping[str, Any], needed: str):
    """Before anything is downloaded for it; also the format of the weights themselves."""
    (problem,) = found(model(arguments, config=config), gpu=T4)
    assert problem.what == f"m: {needed}; Tesla T4 has 7.5."


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": "auto"},
        {"quantization": "fp8"},
        {"quantization": "awq"},
        {"quantization": "modelopt_fp4"},
        {"dtype": 1},
    ],
)
def test_what_vllm_has_a_way_for_is_not_told(arguments: Mapping[str, str]):
    """It unpacks weights in eight bits, or four, where the card can't compute in them."""
    assert found(model(arguments), gpu=T4) == []


def test_every_gpu_of_a_model_must_be_able():
    """Not only the first."""
    split = model({"tensor_parallel_size": 2, "dtype": "bfloat16"})
    (problem,) = fit.check([split], [H100, T4])
    assert "Tesla T4 has 7.5" in problem.what


def test_too_few_gpus_are_told():
    """The factors may be any of vLLM's."""
    (problem,) = fit.check([model({"tensor_parallel_size": 2, "data_parallel_size": 2})], [T4, H100])
    assert problem.what == "m wants 4 GPUs, and 2 can be seen."


@pytest.mark.parametrize(
    ("arguments", "weights_gb", "fits"),
    [
        ({}, 60.0, True),
        ({}, 90.0, False),
        ({"kv_cache_memory_bytes": 10_000_000_000}, 60.0, True),
        ({"kv_cache_memory_bytes": 30_000_000_000}, 60.0, False),
        ({"gpu_memory_utilization": 0.4}, 20.0, True),
        ({"gpu_memory_utilization": "0.4"}, 20.0, True),
        ({"gpu_memory_utilization": 1.0}, 20.0, False),
        ({"cpu_offload_gb": 10}, 90.0, True),
        ({"quantization": "fp8"}, 160.0, True),
    ],
)
def test_model_that_does_not_fit_is_told(arguments: Mapping[str, float | str], weights_gb: float, fits: bool):
    """With a fixed cache it takes that and the weights, else its share of the GPU."""
    assert (found(model(arguments, weights_gb)) == []) is fits


@pytest.mark.parametrize(
    ("arguments", "config", "fits"),
    [
        ({}, {"torch_dtype": "float32"}, True),
        ({"dtype": "float32"}, {"dtype": "float32"}, False),
        ({}, {"dtype": "bfloat16"}, False),
        ({"quantization": "fp8"}, {"quantization_config": {"quant_method": "fp8"}}, False),
    ],
)
def test_weights_may_shrink_while_they_are_loaded(arguments: Mapping[str, str], config: Mapping[str, Any], fits: bool):
    """From 32 bits to 16, or by a quantisation that their files do not have yet."""
    assert (found(model(arguments, 100.0, config=config)) == []) is fits


def test_weights_are_split_between_the_gpus():
    """Each has its part; with data parallelism each has all of them."""
    other = replace(H100, uuid="GPU-3")
    assert list(fit.check([model({"tensor_parallel_size": 2}, 100.0)], [H100, other])) == []
    assert len(list(fit.check([model({"data_parallel_size": 2}, 100.0)], [H100, other]))) == 2


def test_fixed_cache_needs_no_share_of_the_gpu():
    """Most of the GPU may be taken by others."""
    full = replace(H100, free_gb=5.0)
    assert found(model({"kv_cache_memory_bytes": 1 << 30}, 0.3), gpu=full) == []
    (problem,) = found(model({}, 0.3), gpu=full)
    assert "m needs 78.7 GB of GPU 1 (H100), which has 5.0 GB free" in problem.what
    assert found(model({}, 0.3), gpu=replace(full, free_gb=None)) == [], "what is not known is not judged"


def test_models_that_do_not_fit_together_are_told():
    """Each would fit alone."""
    (problem,) = found(model({}, name="a"), model({"gpu_memory_utilization": 0.4}, name="b"))
    assert problem.what == "The models on GPU 1 (H100) need 112.9 GB together, and it has 85.0 GB free: a 78.7, b 34.2."


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"gpu_memory_utilization": 0.45}, {"gpu_memory_utilization": 0.45}),
        ({"gpu_memory_utilization": 0.8}, {"kv_cache_memory_bytes": 1 << 30}),
        ({"enable_sleep_mode": True}, {}),
    ],
)
def test_models_that_share_a_gpu_are_in_order(first: Mapping[str, Any], second: Mapping[str, Any]):
    """Whose shares leave room for each other, or which take turns."""
    assert found(model(first, name="a"), model(second, name="b")) == []


def test_models_on_two_gpus_do_not_add_up():
    """Each has its own."""
    both = [model({}, name="a"), replace(model({}, name="b"), device=1)]
    assert list(fit.check(both, [replace(H100, uuid="GPU-3"), H100])) == []


def test_model_larger_than_its_mig_device_is_told():
    """The rest of the GPU is for others."""
    (problem,) = found(model({}, 12.0), gpu=MIG)
    assert "m needs 12.6 GB of GPU 1 (H100 MIG 1g.10gb)" in problem.what

"""Twin of gateway/cli/gpus/fit.py."""

from collections.abc import Mapping

import pytest

from gateway.cli.gpus import fit
from gateway.cli.gpus.nvidia_smi import Gpu

T4 = Gpu(0, "Tesla T4", "GPU-1", 16.1, 15.6, (7, 5), "580.95.05", is_split=False)
H100 = Gpu(0, "H100", "GPU-2", 85.5, 85.0, (9, 0), "580.95.05", is_split=False)


@pytest.mark.parametrize(("ids", "gpu"), [(None, T4), ([1], H100), (["GPU-2"], H100), ([2], None), (["MIG-1"], None)])
def test_model_is_judged_by_the_gpu_that_it_gets(ids: list[int | str] | None, gpu: Gpu | None):
    """Which its file may choose."""
    arguments = {} if ids is None else {"vllm_custom": {"gpu_device_ids": ids}}
    assert fit.gpu_of(arguments, [T4, H100]) == gpu


@pytest.mark.parametrize(
    "arguments",
    [{"dtype": "bfloat16"}, {"quantization": "mxfp4"}, {"kv_cache_dtype": "fp8"}, {"quantization": "fp_quant"}],
)
def test_setting_that_the_card_cannot_do_is_told(arguments: Mapping[str, str]):
    """Before anything is downloaded for it."""
    (problem,) = fit.check("m", arguments, 1.0, T4)
    assert "needs compute capability" in problem.what
    assert "Tesla T4 has 7.5" in problem.what


@pytest.mark.parametrize("method", ["fp8", "awq", "gptq_marlin", "modelopt_fp4"])
def test_quantisation_with_kernels_for_older_cards_is_no_trouble(method: str):
    """Marlin's serve every card that CUDA 13 does; tests/vllm_env holds the table against vLLM."""
    assert list(fit.check("m", {"quantization": method}, 1.0, T4)) == []


@pytest.mark.parametrize("arguments", [{"dtype": "auto"}, {"dtype": "bfloat16", "quantization": "fp8"}, {}])
def test_newer_card_can(arguments: Mapping[str, str]):
    """And what is not written is vLLM's to choose."""
    assert list(fit.check("m", arguments, 1.0, H100)) == []


@pytest.mark.parametrize(
    ("arguments", "weights_gb", "fits"),
    [
        ({}, 60.0, True),
        ({}, 90.0, False),
        ({"kv_cache_memory_bytes": 10_000_000_000}, 60.0, True),
        ({"kv_cache_memory_bytes": 30_000_000_000}, 60.0, False),
        ({"gpu_memory_utilization": 0.4}, 20.0, True),
        ({"gpu_memory_utilization": "0.4"}, 20.0, True),
    ],
)
def test_model_that_does_not_fit_is_told(arguments: Mapping[str, float | str], weights_gb: float, fits: bool):
    """With a fixed cache it takes that and the weights, else its share of the GPU."""
    assert (list(fit.check("m", arguments, weights_gb, H100)) == []) is fits


def test_fixed_cache_needs_no_share_of_the_gpu():
    """Most of the GPU may be taken by others."""
    full = Gpu(0, "H100", "GPU-1", 85.5, 5.0, (9, 0), "580.95.05", is_split=False)
    assert list(fit.check("m", {"kv_cache_memory_bytes": 1 << 30}, 0.3, full)) == []
    (problem,) = fit.check("m", {}, 0.3, full)
    assert "m needs 78.7 GB of GPU 0 (H100), which has 5.0 GB free" in problem.what

"""Twin of gateway/cli/hub/gpu_sizing.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.errors import Problem
from gateway.cli.gpus.nvidia_smi import Gpu
from gateway.cli.hub import gpu_sizing
from gateway.cli.hub.hardware import Cards
from gateway.cli.hub.listing import Listing
from gateway.cli.hub.options import Options
from gateway.cli.hub.selection import select
from gateway.cli.hub.shape import shape_of
from gateway.cli.hub.sizing import Sizes
from tests.gateway.cli.hub.models import QWEN3_06B, QWEN3_32B, listing

L4 = Gpu(0, "NVIDIA L4", "GPU-1", 24.15, 23.7, (8, 9), "580.95.05", is_split=False)
T4 = Gpu(0, "Tesla T4", "GPU-2", 16.1, 15.6, (7, 5), "580.95.05", is_split=False)
H100 = Gpu(0, "NVIDIA H100 80GB HBM3", "GPU-3", 85.5, 85.0, (9, 0), "580.95.05", is_split=False)
BIG = listing(QWEN3_32B, 65.5, name="Qwen/Qwen3-32B")


def size(model: Listing, *gpus: Gpu, visible: int | None = None, **given: Any) -> Sizes:
    asked = Options(model=model.name, repository=Path("/models"), tensor_parallel_size=len(gpus) or 1, **given)
    have = Cards(gpus, visible or len(gpus))
    return gpu_sizing.size(model.name, select(model), shape_of(model), have, asked)


def refused(model: Listing, *gpus: Gpu, **given: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        size(model, *gpus, **given)
    return caught.value


def test_small_model_has_its_own_context():
    """And as many sequences as vLLM computes at a time; its dtype is its own."""
    assert size(listing(), L4) == Sizes(max_model_len=40960, max_num_seqs=120, gpu_memory_utilization=0.85)
    assert size(listing(), H100).max_num_seqs == 496


def test_context_is_what_the_cache_holds():
    """One sequence must have room, or vLLM does not start."""
    sizes = size(BIG, H100)
    assert 2048 <= (sizes.max_model_len or 0) < 40960
    assert (sizes.max_model_len or 0) % 256 == 0
    assert "of 40,960 tokens" in sizes.notes[0]


def test_too_small_a_gpu_is_told_with_numbers_and_remedies():
    """Before anything is downloaded."""
    problem = refused(BIG, L4)
    assert "Qwen/Qwen3-32B needs" in problem.what
    assert "65.5 GB for its weights" in problem.what
    assert "GPU 0 (NVIDIA L4) has 24.1 GB" in problem.what
    assert "4 GPUs of this size: TENSOR_PARALLEL_SIZE=4" in problem.fix
    assert "a quantised variant" in problem.fix
    assert "MAX_MODEL_LEN" not in problem.fix


def test_gpus_that_are_there_are_offered_first():
    """The rest of those that are visible."""
    assert "4 of the GPUs here: TENSOR_PARALLEL_SIZE=4" in refused(BIG, L4, visible=4).fix
    assert size(BIG, L4, replace(L4, index=1), replace(L4, index=2), replace(L4, index=3)).max_model_len


def test_context_that_was_asked_for_must_fit():
    """It is not cut; the largest that fits is named."""
    problem = refused(BIG, H100, max_model_len=40960)
    fits = int(problem.fix.split("MAX_MODEL_LEN=")[1].split(",")[0])
    assert size(BIG, H100, max_model_len=fits).max_model_len == fits
    assert "one sequence of 40,960 tokens" in problem.what


def test_memory_is_left_to_others():
    """By default to the small models of the same Triton; vLLM wants its share to be free."""
    busy = replace(L4, free_gb=12.0)
    assert size(listing(), busy).gpu_memory_utilization == 0.43
    assert size(listing(), busy, leave_gb=6.0).gpu_memory_utilization == 0.24
    assert "end what uses the GPU" in refused(listing(), replace(L4, free_gb=2.0)).fix


def test_share_that_was_asked_for_counts():
    """If it is free."""
    assert size(listing(), L4, gpu_memory_utilization=0.5).gpu_memory_utilization == 0.5
    problem = refused(listing(), replace(L4, free_gb=10.0), gpu_memory_utilization=0.5)
    assert "is 12.1 GB of GPU 0 (NVIDIA L4), which has 10.0 GB free" in problem.what


def test_larger_share_is_offered_where_it_would_do():
    """Others may not need theirs."""
    model = listing(QWEN3_32B, 18.3)
    problem = refused(model, L4)
    assert "GPU_MEMORY_UTILIZATION=0.95" in problem.fix
    assert size(model, L4, gpu_memory_utilization=0.95).max_model_len
    assert "GPU_MEMORY_UTILIZATION" not in refused(BIG, L4).fix


def test_smallest_gpu_decides():
    """Each has the same share of the model."""
    small = replace(L4, index=1, total_gb=16.0, free_gb=15.5)
    both = size(listing(QWEN3_32B, 20.0), L4, small).max_model_len
    assert both == size(listing(QWEN3_32B, 20.0), small, small).max_model_len


@pytest.mark.parametrize(
    ("model_type", "stored", "gpu", "dtype"),
    [
        ("qwen3", "bfloat16", L4, None),
        ("qwen3", "bfloat16", T4, "float16"),
        ("qwen3", "float32", T4, "float16"),
        ("qwen3", "float16", T4, "float16"),
        ("gemma3_text", "bfloat16", T4, "float32"),
        ("gemma3_text", "bfloat16", L4, None),
    ],
)
def test_dtype_suits_the_gpu(model_type: str, stored: str, gpu: Gpu, dtype: str | None):
    """Before Ampere there is no bfloat16; models that overflow in float16 get 32 bits. It is told if it changes."""
    sizes = size(listing({**QWEN3_06B, "model_type": model_type, "torch_dtype": stored}), gpu)
    assert sizes.dtype == dtype
    assert any("can't compute in bfloat16" in note for note in sizes.notes) is (dtype not in (None, stored))
    assert size(listing(), T4, dtype="float32").dtype == "float32"


def test_quantisation_needs_its_kernels():
    """And GPUs that have none are told."""
    quantised = listing({**QWEN3_06B, "quantization_config": {"quant_method": "mxfp4"}})
    assert (
        "quantised by mxfp4, which needs compute capability 8.0; GPU 0 (Tesla T4) has 7.5"
        in refused(quantised, T4).what
    )
    assert size(quantised, L4).max_model_len
    assert "quantised variant" not in refused(listing(QWEN3_32B | {"quantization_config": {"bits": 4}}, 65.5), L4).fix


def test_heads_must_be_split_evenly():
    """By a number that vLLM takes."""
    gpus = [replace(H100, index=number) for number in range(3)]
    problem = refused(listing(), *gpus)
    assert "TENSOR_PARALLEL_SIZE=3 can't split Qwen/Qwen3-0.6B, which has 16 attention heads (8 for" in problem.what
    assert problem.fix == "choose one of 1, 2, 4, 8, 16."


@pytest.mark.parametrize("gpus", [(), (replace(L4, total_gb=None, free_gb=None),)])
def test_unknown_memory_is_not_judged(gpus: tuple[Gpu, ...]):
    """As on a MIG device; vLLM will."""
    sizes = size(BIG, *gpus)
    assert (sizes.max_model_len, sizes.gpu_memory_utilization) == (40960, 0.85)
    assert "is not checked" in sizes.notes[-1]


def test_unknown_context_is_left_to_vllm():
    """Unless one is asked for."""
    model = listing({**QWEN3_06B, "max_position_embeddings": None})
    assert size(model, L4).max_model_len is None
    assert size(model, L4, max_model_len=1024, max_num_seqs=3).max_num_seqs == 3


def test_images_take_memory_for_their_encoder():
    """So less is left for the cache."""
    text, images = listing(QWEN3_32B, 15.0), listing({**QWEN3_32B, "vision_config": {}}, 15.0)
    assert (size(images, L4).max_model_len or 0) < (size(text, L4).max_model_len or 0)

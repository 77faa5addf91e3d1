"""Twin of gateway/cli/hub/cpu_sizing.py."""

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.errors import Problem
from gateway.cli.hub import cpu_sizing
from gateway.cli.hub.hardware import Machine
from gateway.cli.hub.listing import Listing
from gateway.cli.hub.options import Options
from gateway.cli.hub.selection import select
from gateway.cli.hub.shape import shape_of
from gateway.cli.hub.sizing import Sizes
from tests.gateway.cli.hub.models import QWEN3_06B, listing

PLAIN = Machine(24.0, has_amx=False)


def size(model: Listing, machine: Machine = PLAIN, **given: Any) -> Sizes:
    asked = Options(model=model.name, repository=Path("/models"), **given)
    return cpu_sizing.size(model.name, select(model), shape_of(model), machine, asked)


def test_context_is_short_and_cache_has_room_for_some():
    """Whole GiB: four sequences of 4,096 tokens take 1.75."""
    sizes = size(listing())
    assert (sizes.dtype, sizes.max_model_len, sizes.kv_cache_gib) == ("bfloat16", 4096, 2)
    assert sizes.max_num_seqs == 16
    assert sizes.gpu_memory_utilization is None
    assert "4,096 of 40,960 tokens; MAX_MODEL_LEN sets another" in sizes.notes[0]


@pytest.mark.parametrize(
    ("stored", "has_amx", "dtype", "is_told"),
    [
        ("bfloat16", False, "bfloat16", False),
        ("float16", False, "bfloat16", False),
        ("float32", False, "float32", False),
        ("bfloat16", True, "float32", True),
        ("float32", True, "float32", False),
    ],
)
def test_dtype_is_what_the_cpu_computes_right(stored: str, has_amx: bool, dtype: str, is_told: bool):
    """docs/adr/0004: with AMX, bfloat16 can be wrong."""
    sizes = size(listing({**QWEN3_06B, "torch_dtype": stored}), Machine(24.0, has_amx=has_amx))
    assert sizes.dtype == dtype
    assert any("AMX" in note for note in sizes.notes) is is_told
    assert size(listing(), Machine(24.0, has_amx=True), dtype="bfloat16").dtype == "bfloat16"


@pytest.mark.parametrize(("available_gb", "gib"), [(8.0, 2), (7.0, 1)])
def test_little_memory_makes_a_small_cache(available_gb: float, gib: int):
    """As long as one sequence has room."""
    assert size(listing(), Machine(available_gb, has_amx=False)).kv_cache_gib == gib


def test_too_little_memory_is_told_with_numbers():
    """Before anything is downloaded."""
    with pytest.raises(Problem) as caught:
        size(listing(), Machine(5.0, has_amx=False))
    assert "Qwen/Qwen3-0.6B needs 5.1 GB of memory" in caught.value.what
    assert "has 5.0 GB available, 3.5 GB of them for the model" in caught.value.what
    assert "MAX_MODEL_LEN" not in caught.value.fix


def test_context_that_was_asked_for_must_fit():
    """The largest that fits is named."""
    with pytest.raises(Problem) as caught:
        size(listing(), Machine(8.0, has_amx=False), max_model_len=40960)
    fits = int(caught.value.fix.split("MAX_MODEL_LEN=")[1].split(",")[0])
    assert size(listing(), Machine(8.0, has_amx=False), max_model_len=fits).max_model_len == fits


def test_memory_is_left_to_others():
    """As much as is asked for."""
    assert size(listing(), Machine(8.0, has_amx=False), leave_gb=0.0).kv_cache_gib == 2
    with pytest.raises(Problem):
        size(listing(), Machine(8.0, has_amx=False), leave_gb=4.0)


@pytest.mark.parametrize(("method", "is_told"), [("awq", False), ("fp8", True)])
def test_quantisation_without_kernels_is_told(method: str, is_told: bool):
    """vLLM may have learnt it meanwhile, so it is not refused."""
    sizes = size(listing({**QWEN3_06B, "quantization_config": {"quant_method": method}}))
    assert any("no kernels on a CPU" in note for note in sizes.notes) is is_told


def test_model_without_a_cache_is_sized_too():
    """State-space models have none that grows."""
    sizes = size(listing({"model_type": "mamba", "num_hidden_layers": 24, "hidden_size": 768}))
    assert (sizes.max_model_len, sizes.kv_cache_gib) == (2048, 1)

"""Twin of gateway/cli/hub/sizing.py."""

import pytest

from gateway.cli.hub.selection import select
from gateway.cli.hub.shape import shape_of
from gateway.cli.hub.sizing import Demand, kv_bytes, one_of, sequences, shorter, weights_bytes
from tests.gateway.cli.hub.models import DEEPSEEK_V2_LITE, QWEN3_06B, listing

SHAPE = shape_of(listing())


@pytest.mark.parametrize(
    ("stored", "dtype", "gb"),
    [
        ("bfloat16", None, 1.5),
        ("bfloat16", "float16", 1.5),
        ("bfloat16", "float32", 3.0),
        ("float32", None, 0.75),
        ("float32", "float32", 1.5),
        (None, None, 1.5),
    ],
)
def test_weights_in_memory_have_the_dtype_of_the_engine(stored: str | None, dtype: str | None, gb: float):
    """vLLM loads float32 with 16 bits by itself."""
    model = listing({**QWEN3_06B, "torch_dtype": stored})
    assert weights_bytes(select(model), shape_of(model), dtype) == pytest.approx(gb * 1e9)


def test_quantised_weights_stay_as_they_are():
    """Whatever the rest is computed in."""
    model = listing({**QWEN3_06B, "quantization_config": {"quant_method": "awq"}})
    assert weights_bytes(select(model), shape_of(model), "float32") == 1.5e9


def test_cache_of_a_token_is_known():
    """Qwen3-0.6B: 112 KiB in 16 bits, as vLLM reports it."""
    assert kv_bytes(SHAPE, None) == 112 * 1024
    assert kv_bytes(SHAPE, "float32") == 224 * 1024


@pytest.mark.parametrize(("devices", "share"), [(2, 1 / 2), (8, 1 / 8), (16, 1 / 8)])
def test_cache_is_split_by_its_heads(devices: int, share: float):
    """Of which each GPU has at least one."""
    assert kv_bytes(SHAPE, None, devices) == 112 * 1024 * share


def test_latent_cache_is_on_every_gpu():
    """It has no heads."""
    shape = shape_of(listing(DEEPSEEK_V2_LITE))
    assert kv_bytes(shape, None, 4) == kv_bytes(shape, None) == 27 * 576 * 2


def test_memory_beside_the_rest_is_for_tokens():
    """A model without a cache has room, or none at all."""
    assert Demand(1000, 10).tokens(1500) == 50
    assert Demand(1000, 10).tokens(900) < 0
    assert Demand(1000, 10).of(50) == 1500
    assert Demand(1000, 0).tokens(1000) > 1e9
    assert Demand(1000, 0).tokens(999) < 0


def test_shorter_context_is_a_round_number():
    """Never more than there is room for."""
    assert shorter(5000.9) == 4864
    assert shorter(255) == 0


def test_remedies_are_alternatives():
    """One a line."""
    assert one_of(["a", "b"]) == "a,\nor b."


@pytest.mark.parametrize(
    ("tokens", "context", "number"), [(40_960, 40_960, 40), (5_000, 4_096, 4), (500, 4_096, 1), (1e12, 512, 256)]
)
def test_sequences_fill_the_cache(tokens: float, context: int, number: int):
    """With about a thousand tokens each."""
    assert sequences(tokens, context, 256) == number

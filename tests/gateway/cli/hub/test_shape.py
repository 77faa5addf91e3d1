"""Twin of gateway/cli/hub/shape.py."""

from typing import Any

import pytest

from gateway.cli.hub.shape import shape_of
from tests.gateway.cli.hub.models import DEEPSEEK_V2_LITE, QWEN3_06B, SMALL, listing


def test_plain_model():
    """Two values a head, layer and token: 28 layers, 8 heads of 128."""
    shape = shape_of(listing())
    assert shape.kv_values == 2 * 28 * 8 * 128
    assert (shape.context, shape.dtype, shape.quantization, shape.latent) == (40960, "bfloat16", None, False)
    assert shape.generates
    assert not shape.has_other_modalities


@pytest.mark.parametrize(
    ("config", "values"),
    [
        ({"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4}, 2 * 2 * 4 * 16),
        ({"n_layer": 2, "n_embd": 64, "n_head": 4}, 2 * 2 * 4 * 16),
        ({"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "multi_query": True}, 2 * 2 * 1 * 16),
        ({"num_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "multi_query_group_num": 2}, 2 * 2 * 2 * 16),
        ({**QWEN3_06B, "num_key_value_heads": [2, 4, 4]}, 2 * 28 * 4 * 128),
        ({**QWEN3_06B, "head_dim": None}, 2 * 28 * 8 * 64),
        ({**QWEN3_06B, "global_head_dim": 512}, 2 * 28 * 8 * 512),
        ({"model_type": "mamba", "num_hidden_layers": 24, "hidden_size": 768}, 0),
        ({}, 0),
    ],
)
def test_names_of_other_families(config: dict[str, Any], values: int):
    """Where heads differ, the largest; a model without attention has no such cache."""
    assert shape_of(listing(config)).kv_values == values


def test_latent_attention_has_one_small_vector():
    """27 layers of 512 + 64; MiniCPM3 has the same numbers and no such cache in vLLM."""
    shape = shape_of(listing(DEEPSEEK_V2_LITE))
    assert (shape.kv_values, shape.latent) == (27 * 576, True)
    shape = shape_of(listing({**DEEPSEEK_V2_LITE, "model_type": "minicpm3"}))
    assert (shape.kv_values, shape.latent) == (2 * 27 * 16 * 192, False)


def test_width_of_a_mixture_is_that_of_its_experts():
    """Of those that a token goes through."""
    shape = shape_of(listing({**DEEPSEEK_V2_LITE, "intermediate_size": 100}))
    assert shape.intermediate == 6 * 1408


@pytest.mark.parametrize("key", ["text_config", "llm_config", "thinker_config"])
def test_language_model_of_several_modalities(key: str):
    """Its sizes are those of its text part, wherever that lies."""
    inner = {"text_config": QWEN3_06B} if key == "thinker_config" else QWEN3_06B
    outer = {"architectures": ["XForConditionalGeneration"], "model_type": "x", key: inner, "vision_config": {}}
    shape = shape_of(listing(outer))
    assert shape.kv_values == shape_of(listing()).kv_values
    assert (shape.model_type, shape.dtype, shape.context) == ("x", "bfloat16", 40960)
    assert shape.has_other_modalities
    assert shape.generates


@pytest.mark.parametrize(
    ("config", "tokenizer", "context"),
    [
        ({"max_position_embeddings": 4096, "seq_length": 2048}, {}, 2048),
        ({"max_position_embeddings": 514}, {"model_max_length": 512}, 512),
        ({"max_position_embeddings": 4096}, {"model_max_length": 1e30}, 4096),
        ({}, {"model_max_length": 512}, None),
        (
            {
                "max_position_embeddings": 131072,
                "original_max_position_embeddings": 4096,
                "rope_scaling": {"type": "longrope"},
            },
            {},
            4096,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "rope_parameters": {"rope_type": "llama3", "original_max_position_embeddings": 8192},
            },
            {},
            131072,
        ),
    ],
)
def test_context_is_the_least_limit(config: dict[str, Any], tokenizer: dict[str, Any], context: int | None):
    """As vLLM takes it."""
    assert shape_of(listing(config, tokenizer=tokenizer)).context == context


@pytest.mark.parametrize(
    ("written", "method"),
    [
        ({"quant_method": "awq", "bits": 4}, "awq"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt_fp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "modelopt"),
        ({"bits": 4}, "unknown"),
        (None, None),
    ],
)
def test_quantisation_is_named(written: dict[str, Any] | None, method: str | None):
    """By its method."""
    assert shape_of(listing({**QWEN3_06B, "quantization_config": written})).quantization == method


@pytest.mark.parametrize(
    ("architecture", "more", "generates"),
    [
        ("Qwen3ForCausalLM", {}, True),
        ("Qwen3ForCausalLM", {"modules.json": 1}, False),
        ("BertModel", {}, False),
        ("XLMRobertaForSequenceClassification", {}, False),
    ],
)
def test_embedders_do_not_generate(architecture: str, more: dict[str, int], generates: bool):
    """Also where their class could."""
    model = listing({**QWEN3_06B, "architectures": [architecture]}, files={**SMALL, "model.safetensors": 1, **more})
    assert shape_of(model).generates is generates

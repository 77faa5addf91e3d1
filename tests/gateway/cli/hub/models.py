"""Models of the hub as their repositories describe them: as much of config.json as sizes depend on, and the files' sizes.

The numbers are those of the models' own pages.
"""

from collections.abc import Mapping
from typing import Any

from gateway.cli.hub.listing import CONFIG, TOKENIZER_CONFIG, WEIGHTS_INDEX, Listing

COMMIT = "c1899de289a04d12100db370d81485cdf75e47ca"
SMALL = {CONFIG: 726, TOKENIZER_CONFIG: 9706, "tokenizer.json": 11_422_654, "README.md": 13_000}
CHAT = {"chat_template": "{{ messages }}"}

QWEN3_06B = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "head_dim": 128,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "num_hidden_layers": 28,
    "max_position_embeddings": 40960,
    "vocab_size": 151936,
    "torch_dtype": "bfloat16",
}
QWEN3_32B = QWEN3_06B | {
    "hidden_size": 5120,
    "intermediate_size": 25600,
    "num_attention_heads": 64,
    "num_hidden_layers": 64,
}
DEEPSEEK_V2_LITE = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "auto_map": {"AutoModelForCausalLM": "modeling_deepseek.DeepseekV2ForCausalLM"},
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "num_experts_per_tok": 6,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "num_hidden_layers": 27,
    "max_position_embeddings": 163840,
    "vocab_size": 102400,
    "torch_dtype": "bfloat16",
}


def listing(
    config: Mapping[str, Any] = QWEN3_06B,
    weights_gb: float = 1.5,
    *,
    name: str = "Qwen/Qwen3-0.6B",
    files: Mapping[str, int] | None = None,
    tokenizer: Mapping[str, Any] = CHAT,
    weight_map: Mapping[str, str] | None = None,
) -> Listing:
    """A model with so many gigabytes of weights in one file, unless the files are given."""
    given = {**SMALL, "model.safetensors": int(weights_gb * 1e9)} if files is None else files
    sizes = {**given, **({WEIGHTS_INDEX: 1000} if weight_map else {})}
    return Listing(
        name=name,
        commit=COMMIT,
        files=sizes,
        config=config,
        tokenizer_config=tokenizer,
        weight_map=weight_map or {},
    )

"""What config.json says about a model's size, under the names that the families use (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gateway.cli.hub.listing import Listing

_TEXT = ("text_config", "llm_config", "language_config")
"""Where models of several modalities keep the configuration of their language model."""

_OTHER_MODALITIES = ("vision_config", "audio_config", "vision_tower", "speech_config")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_KV_HEADS = ("num_key_value_heads", "n_head_kv", "num_kv_heads", "multi_query_group_num", "num_attention_groups")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
_INTERMEDIATE = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
_CONTEXT = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
_GENERATING = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ForImageTextToText")
_POOLING_FILE = "modules.json"
"""Of sentence-transformers: the model makes vectors, whatever its architecture."""

_NO_LATENT_KERNEL = ("minicpm3",)
"""Its attention is latent, and vLLM caches all of its heads all the same."""

_LONGEST = 10**9
"""Tokenizers without a limit write 10^30."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes of a model. A size that its configuration does not have is 0; a `context` that it does not have is None.

    `kv_values` is the number of values that the KV cache has for each token: all layers together, on one GPU alone.
    `latent` says that this number can't be split over GPUs (multi-head latent attention). `dtype` and `quantization` are
    the names in the configuration, or None.
    """

    model_type: str
    layers: int
    heads: int
    kv_heads: int
    kv_values: int
    latent: bool
    hidden: int
    intermediate: int
    vocabulary: int
    context: int | None
    dtype: str | None
    quantization: str | None
    has_other_modalities: bool
    generates: bool


def architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the model's classes."""
    return tuple(map(str, config.get("architectures") or ()))


def shape_of(listing: Listing) -> Shape:
    """The shape of a model, by its configuration."""
    config = listing.config
    text = _text(config)
    layers, heads, hidden = (_number(text, names) for names in (_LAYERS, _HEADS, _HIDDEN))
    kv_heads = 1 if text.get("multi_query") and not _number(text, _KV_HEADS) else _number(text, _KV_HEADS) or heads
    latent = _number(text, ("kv_lora_rank",)) > 0 and text.get("model_type") not in _NO_LATENT_KERNEL
    return Shape(
        model_type=str(config.get("model_type") or text.get("model_type") or ""),
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        kv_values=layers * (_latent_values(text) if latent else 2 * kv_heads * _head(text, hidden, heads)),
        latent=latent,
        hidden=hidden,
        intermediate=_intermediate(text),
        vocabulary=_number(text, ("vocab_size",)) or _number(config, ("vocab_size",)),
        context=_context(text, listing.tokenizer_config),
        dtype=_dtype(config, text),
        quantization=_quantization(config, text),
        has_other_modalities=any(name in config for name in _OTHER_MODALITIES),
        generates=_generates(listing),
    )


def _text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("thinker_config", *_TEXT):
        if isinstance(inner := config.get(name), dict):
            return _text(cast("dict[str, Any]", inner))
    return config


def _number(config: Mapping[str, Any], names: Sequence[str]) -> int:
    """The first of these that the configuration has; of a number per layer, the largest."""
    for name in names:
        value = config.get(name)
        if isinstance(value, list):
            value = max((each for each in cast("list[Any]", value) if isinstance(each, int)), default=None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return 0


def _latent_values(text: Mapping[str, Any]) -> int:
    return _number(text, ("kv_lora_rank",)) + _number(text, ("qk_rope_head_dim",))


def _head(text: Mapping[str, Any], hidden: int, heads: int) -> int:
    """The size of an attention head; the largest where they differ."""
    split = _number(text, ("qk_nope_head_dim",)) + _number(text, ("qk_rope_head_dim",))
    named = max(split, _number(text, ("head_dim",)), _number(text, ("global_head_dim",)))
    return named or (hidden // heads if heads else 0)


def _intermediate(text: Mapping[str, Any]) -> int:
    """The width of the feed-forward layers that a token goes through."""
    experts = _number(text, ("num_experts_per_tok", "experts_per_token", "moe_topk"))
    return max(_number(text, _INTERMEDIATE), experts * _number(text, ("moe_intermediate_size",)))


def _context(text: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> int | None:
    """The smallest limit of any, as vLLM takes it. A scaling of the positions that lies on top is left out."""
    limits = [_number(text, (name,)) for name in _CONTEXT]
    given = text.get("rope_scaling") or text.get("rope_parameters")
    rope = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if "longrope" in (rope.get("type"), rope.get("rope_type")):
        # Beyond it, short prompts suffer: vLLM does not go there by itself either.
        limits.append(_number({**rope, **text}, ("original_max_position_embeddings",)))
    known = [limit for limit in limits if 0 < limit < _LONGEST]
    of_tokenizer = tokenizer.get("model_max_length")
    if known and isinstance(of_tokenizer, int | float) and 0 < of_tokenizer < _LONGEST:
        known.append(int(of_tokenizer))
    return min(known, default=None)


def _dtype(config: Mapping[str, Any], text: Mapping[str, Any]) -> str | None:
    for where in (text, config):
        if named := where.get("dtype") or where.get("torch_dtype"):
            return str(named)
    return None


def _quantization(config: Mapping[str, Any], text: Mapping[str, Any]) -> str | None:
    quantization = (
        config.get("quantization_config") or text.get("quantization_config") or config.get("compression_config")
    )
    if not isinstance(quantization, dict):
        return None
    written = cast("dict[str, Any]", quantization)
    method = str(written.get("quant_method") or "unknown")
    # One method of NVIDIA's for two formats, which need different GPUs.
    return "modelopt_fp4" if method == "modelopt" and "FP4" in str(written.get("quant_algo")) else method


def _generates(listing: Listing) -> bool:
    named = architectures(listing.config)
    return _POOLING_FILE not in listing.files and (not named or named[0].endswith(_GENERATING))

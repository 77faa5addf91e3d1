"""The texts of a model's config.pbtxt and model.json (pure)."""

import json
from typing import Any

from gateway.cli.hub.families import Parsers
from gateway.cli.hub.listing import Listing
from gateway.cli.hub.options import Options
from gateway.cli.hub.sizing import Sizes

CONFIGURATION = "config.pbtxt"
MODEL = "1/model.json"
"""Their paths in the model's folder."""


def configuration(listing: Listing) -> str:
    """config.pbtxt: one engine, which chooses its devices itself."""
    return (
        f"# {listing.name} of the hub, written by `python -m gateway.cli.hub`. A file that you edit stays as it is.\n"
        'backend: "vllm_custom"\n'
        "instance_group [ { kind: KIND_MODEL count: 1 } ]\n"
    )


def model_json(listing: Listing, sizes: Sizes, parsers: Parsers, options: Options) -> str:
    """model.json: vLLM's arguments. What is left to vLLM's own default is not written."""
    arguments: dict[str, Any] = {
        "model": listing.name,
        "revision": listing.commit,
        "dtype": sizes.dtype,
        "max_model_len": sizes.max_model_len,
        "max_num_seqs": sizes.max_num_seqs,
        "gpu_memory_utilization": sizes.gpu_memory_utilization,
        "tensor_parallel_size": options.tensor_parallel_size if options.tensor_parallel_size > 1 else None,
        **(_on_cpu(sizes.kv_cache_gib) if sizes.kv_cache_gib is not None else {}),
        "vllm_custom": _ours(sizes, parsers, options) or None,
    }
    written = {name: value for name, value in arguments.items() if value is not None}
    return json.dumps(written, indent=2) + "\n"


def _on_cpu(gib: int) -> dict[str, Any]:
    # CUDA graphs and compilation gain little on a CPU, and cost minutes at the start.
    return {"kv_cache_memory_bytes": gib * 2**30, "enforce_eager": True}


def _ours(sizes: Sizes, parsers: Parsers, options: Options) -> dict[str, Any]:
    ids = [int(name) if name.isdigit() else name for name in options.gpu_device_ids]
    values: dict[str, Any] = {
        "tool_parser": parsers.tool,
        "reasoning_parser": parsers.reasoning,
        "gpu_device_ids": ids if sizes.kv_cache_gib is None and ids else None,
        # On a CPU vLLM heeds this variable before kv_cache_memory_bytes, and Triton's environment may have it.
        "environment": None if sizes.kv_cache_gib is None else {"VLLM_CPU_KVCACHE_SPACE": str(sizes.kv_cache_gib)},
    }
    return {name: value for name, value in values.items() if value is not None}

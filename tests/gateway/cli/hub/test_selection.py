"""Twin of gateway/cli/hub/selection.py."""

from collections.abc import Sequence

import pytest

from gateway.cli.hub.listing import CONFIG
from gateway.cli.hub.selection import is_complete, select
from tests.gateway.cli.hub.models import SMALL, listing

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def weights_of(*names: str, weight_map: dict[str, str] | None = None) -> list[str]:
    return list(select(listing(files={**SMALL, **dict.fromkeys(names, 10)}, weight_map=weight_map)).weights)


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (("model.safetensors", "pytorch_model.bin", "model.gguf", "tf_model.h5"), ["model.safetensors"]),
        ((*SHARDS, "consolidated.safetensors", "original/model.safetensors"), list(SHARDS)),
        ((*SHARDS, "model.safetensors"), list(SHARDS)),
        (("model.safetensors", "model.fp16.safetensors", "onnx/model.safetensors"), ["model.safetensors"]),
        (("weights.safetensors", "consolidated.safetensors"), ["weights.safetensors"]),
        (("pytorch_model.bin",), []),
    ],
)
def test_each_tensor_is_had_once(names: Sequence[str], weights: list[str]):
    """As safetensors, and in one copy."""
    assert weights_of(*names) == weights


def test_index_decides_where_there_is_one():
    """It knows of parts with names of their own."""
    weight_map = {"a": SHARDS[0], "b": SHARDS[1], "c": "mtp.safetensors"}
    chosen = weights_of(*SHARDS, "mtp.safetensors", "other.safetensors", weight_map=weight_map)
    assert chosen == sorted([*SHARDS, "mtp.safetensors"])


def test_what_is_not_needed_stays_there():
    """Readme, pictures, code, other frameworks; the parts of sentence-transformers are needed."""
    wanted = {"modules.json": 1, "1_Pooling/config.json": 2, "2_Dense/model.safetensors": 3, "chat_template.jinja": 4}
    others = {"logo.png": 5, "modeling.py": 6, "openvino/model.json": 7, "pytorch_model.bin.index.json": 8}
    chosen = select(listing(files={**SMALL, "model.safetensors": 100, **wanted, **others}))
    assert set(chosen.names) == {*SMALL, "model.safetensors", *wanted} - {"README.md"}
    assert chosen.weights_bytes == 100
    assert chosen.size_of(["model.safetensors", "2_Dense/model.safetensors"]) == 103
    assert chosen.names[-1] == "model.safetensors"


@pytest.mark.parametrize(
    ("files", "complete"),
    [
        ({**SMALL, "model.safetensors": 1}, True),
        ({CONFIG: 1, "model.safetensors": 1}, False),
        ({**SMALL}, False),
        ({**SMALL, SHARDS[0]: 1}, False),
        ({**SMALL, SHARDS[0]: 1, SHARDS[1]: 1}, True),
        ({"tokenizer.json": 1, "model.safetensors": 1}, False),
    ],
)
def test_half_of_a_model_is_not_complete(files: dict[str, int], complete: bool):
    """Configuration, tokenizer and all weights, as far as the names tell."""
    assert is_complete(listing(files=files)) is complete


def test_files_that_the_index_names_are_missed():
    """Whatever they are called."""
    weight_map = {"a": "a.safetensors", "b": "b.safetensors"}
    assert not is_complete(listing(files={**SMALL, "a.safetensors": 1}, weight_map=weight_map))
    assert is_complete(listing(files={**SMALL, "a.safetensors": 1, "b.safetensors": 1}, weight_map=weight_map))

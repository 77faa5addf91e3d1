"""The replay engine's vectors."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from vllm_custom.contract.lora import Lora
from vllm_custom.contract.pooling import Pool
from vllm_custom.engine.adapters import Adapters
from vllm_custom.errors import BadRequest, NotFound
from vllm_custom.replay.replay_pooling import check_folder, replay_lora, replay_rows


class Tokenizer:
    """An id a letter, its place in the alphabet."""

    def ids(self, text):
        return [ord(letter) - ord("a") for letter in text]


def rows(task="embed", *, inputs, query=None, dimensions=None, normalize=False, tasks=("embed", "score")):
    pool = Pool("r", task, inputs, query, dimensions, normalize, None)
    return asyncio.run(replay_rows(Tokenizer(), tasks, pool))


def test_row_counts_ids_by_their_remainder():
    """So that a test knows the vector of any text, or of any ids."""
    result = rows(inputs=["aaeb", "d"])
    assert result.vectors.tolist() == [[3, 1, 0, 0], [0, 0, 0, 1]]
    assert result.value == {"shape": [2, 4], "prompt_tokens": 5}
    assert rows(inputs=[[0, 4, 5]]).vectors.tolist() == [[2, 1, 0, 0]]


def test_rows_have_length_one_by_default():
    """As vLLM's do."""
    assert np.allclose(np.linalg.norm(rows(inputs=["aaeb", "ab"], normalize=None).vectors, axis=1), 1)


def test_scores_are_a_column():
    """One number a document, 1 for one like the query."""
    result = rows("score", inputs=["ab", "c"], query="ba")
    assert result.vectors.shape == (2, 1)
    assert result.vectors[:, 0] == pytest.approx([1, 0])


def test_what_the_model_cannot_do_is_refused():
    """Another task, or more numbers than it has."""
    with pytest.raises(BadRequest, match="does not classify"):
        rows("classify", inputs=["a"])
    with pytest.raises(BadRequest, match="4 dimensions"):
        rows(inputs=["a"], dimensions=5)


def test_adapters_are_names(tmp_path):
    """Loading one reads nothing; a folder that has gone is not found."""
    (tmp_path / "poet").mkdir()
    (tmp_path / "poet" / "adapter_config.json").write_text("{}")
    adapters = Adapters(tmp_path)
    loaded = asyncio.run(replay_lora(adapters, Lora("r", "load", "p", "poet")))
    assert loaded.value == {"loras": ["p"]}
    asyncio.run(check_folder(adapters.get("p")))
    (tmp_path / "poet" / "adapter_config.json").unlink()
    with pytest.raises(NotFound, match="has no adapter_config"):
        asyncio.run(check_folder(adapters.get("p")))
    assert asyncio.run(replay_lora(adapters, Lora("r", "unload", "p", ""))).value == {"loras": []}

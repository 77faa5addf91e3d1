"""Pooling on the real engine, beside what transformers computes with the same weights.

As test_engine.py, these are named by VLLM_CUSTOM_ENGINE_TESTS=1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.triton_backend.vllm_custom.conftest import Backend
from tests.vllm_env.test_engine import MINILM, SMALL, pytestmark, start_real

__all__ = ["pytestmark"]

TEXTS = ["A fox runs.", "Interest rates rose again last month, and nobody was surprised.", "x"]
SHORTER = 128


def tokenizer() -> Any:
    import transformers

    return transformers.AutoTokenizer.from_pretrained(MINILM)


def answer(backend: Backend, op: str, **keys: Any) -> np.ndarray:
    sender = backend.ask(op, **keys)
    record = sender.finish(120)[-1]
    assert record[1] == "result", record
    return sender.vectors


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    # all-MiniLM was not trained to be cut, but how a vector is cut does not depend on that.
    matryoshka = {"hf_overrides": {"matryoshka_dimensions": [SHORTER, 384]}}
    document = {"model": str(MINILM), "runner": "pooling", **SMALL, **matryoshka}
    backend = start_real(tmp_path_factory.mktemp("repository") / "toy", document)
    yield backend
    backend.stop()


def mean_vectors() -> np.ndarray:
    """As sentence-transformers does it: the mean over a text's tokens."""
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(MINILM, dtype=torch.float32).eval()
    encoded = tokenizer()(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1)
    return ((hidden * mask).sum(1) / mask.sum(1)).numpy()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_vectors_are_those_of_transformers(embedder: Backend) -> None:
    """Of length one, and as the model gives them."""
    expected = mean_vectors()
    assert np.allclose(answer(embedder, "embed", input=TEXTS), unit(expected), atol=1e-4)
    assert np.allclose(answer(embedder, "embed", input=TEXTS, normalize=False), expected, atol=1e-3)


def test_vectors_are_cut(embedder: Backend) -> None:
    """The first numbers, of length one again; a width that the model does not have is refused by name."""
    cut = answer(embedder, "embed", input=TEXTS, dimensions=SHORTER)
    assert np.allclose(cut, unit(mean_vectors()[:, :SHORTER]), atol=1e-4)
    record = embedder.ask("embed", input=TEXTS, dimensions=100).finish(60)[-1]
    assert (record[3], record[5]) == ("bad_request", "dimensions")


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Classifiers with random weights, by their number of labels."""
    from tests.vllm_env.tiny_models import write_classifier

    folders = {labels: tmp_path_factory.mktemp(f"bert-{labels}") for labels in (1, 3)}
    for labels, folder in folders.items():
        write_classifier(folder, MINILM, labels)
    return folders


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, heads: dict[int, Path]) -> Iterator[Backend]:
    document = {"model": str(heads[3]), "runner": "pooling", **SMALL}
    backend = start_real(tmp_path_factory.mktemp("repository") / "toy", document)
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory, heads: dict[int, Path]) -> Iterator[Backend]:
    document = {"model": str(heads[1]), "runner": "pooling", **SMALL}
    backend = start_real(tmp_path_factory.mktemp("repository") / "toy", document)
    yield backend
    backend.stop()


def logits(folder: Path, texts: list[str], pairs: list[str] | None = None) -> np.ndarray:
    import torch
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    encoded = tokenizer()(texts, pairs, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**encoded).logits.numpy()


def test_classes_are_those_of_transformers(classifier: Backend, heads: dict[int, Path]) -> None:
    """Probabilities that add up to one, and the logits that they come of; by texts and by token ids."""
    expected = logits(heads[3], TEXTS)
    powers = np.exp(expected - expected.max(axis=1, keepdims=True))
    assert np.ptp(expected, axis=0).max() > 0.01  # the texts are told apart at all
    probabilities = answer(classifier, "classify", input=TEXTS)
    assert np.allclose(probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-4)
    assert np.allclose(answer(classifier, "classify", input=TEXTS, normalize=False), expected, atol=1e-3)
    ids = [tokenizer().encode(text) for text in TEXTS]
    flat = [token for row in ids for token in row]
    by_ids = answer(classifier, "classify", token_ids=flat, lengths=[len(row) for row in ids])
    assert np.allclose(by_ids, probabilities, atol=1e-4)


def test_scores_of_pairs_are_those_of_transformers(cross_encoder: Backend, heads: dict[int, Path]) -> None:
    """Query and document as one input, the second marked as such; the sigmoid of what the model says."""
    assert cross_encoder.ask("describe").finish()[-1][3]["tasks"] == ["classify", "score"]
    query = "What runs?"
    expected = logits(heads[1], [query] * len(TEXTS), TEXTS)
    unmarked = logits(heads[1], [f"{query} {text}" for text in TEXTS])
    assert np.abs(expected - unmarked).max() > 0.01  # the mark matters
    raw = answer(cross_encoder, "score", query=query, documents=TEXTS, normalize=False)
    assert np.allclose(raw, expected, atol=1e-3)
    scores = answer(cross_encoder, "score", query=query, documents=TEXTS)
    assert np.allclose(scores, 1 / (1 + np.exp(-expected)), atol=1e-4)

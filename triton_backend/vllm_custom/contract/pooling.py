"""The requests of pooling models and of adapters (pure): what is in an envelope, and what is made of vectors.

embed      a row per input: its vector
classify   a row per input: a probability per label
score      a row per document: how well it fits the query, one number
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import BadRequest
from .tensors import Message

Task = Literal["embed", "classify", "score"]
TASKS: tuple[Task, ...] = ("embed", "classify", "score")
MOST_INPUTS = 2048


@dataclass(frozen=True, slots=True)
class Pool:
    """`inputs` are texts, or prompts as token ids; those of `score` are documents. None leaves the model's default."""

    rid: str
    task: Task
    inputs: Sequence[str] | Sequence[list[int]]
    query: str | None
    dimensions: int | None
    normalize: bool | None
    lora: str | None
    # Seconds from its arrival until it ends with a `timeout`; so in Lora.
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Lora:
    rid: str
    action: Literal["load", "unload", "list"]
    name: str
    path: str
    timeout: float | None = None


POOL_KEYS = frozenset({"input", "lengths", "dimensions", "normalize", "lora", "timeout_ms"})
CLASSIFY_KEYS = frozenset({"input", "lengths", "normalize", "lora", "timeout_ms"})
SCORE_KEYS = frozenset({"query", "documents", "normalize", "lora", "timeout_ms"})
LORA_KEYS = frozenset({"action", "name", "path", "timeout_ms"})


def read_embed(envelope: Mapping[str, Any], message: Message) -> Pool:
    """Raises BadRequest, naming the key."""
    dimensions = envelope.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise BadRequest("dimensions must be a whole number from 1 on", param="dimensions")
    return _pool("embed", envelope, _inputs(envelope, message), dimensions=dimensions)


def read_classify(envelope: Mapping[str, Any], message: Message) -> Pool:
    """Raises BadRequest, naming the key."""
    return _pool("classify", envelope, _inputs(envelope, message))


def read_score(envelope: Mapping[str, Any], message: Message) -> Pool:
    """Raises BadRequest, naming the key."""
    if message.token_ids is not None:
        raise BadRequest("score takes texts", param="token_ids")
    query = envelope.get("query")
    if not isinstance(query, str) or not query:
        raise BadRequest("query must be a text that is not empty", param="query")
    return _pool("score", envelope, _texts(envelope.get("documents"), "documents"), query=query)


def read_lora(envelope: Mapping[str, Any], message: Message) -> Lora:
    """Raises BadRequest, naming the key."""
    action, name, path = envelope.get("action"), envelope.get("name", ""), envelope.get("path", "")
    if action not in ("load", "unload", "list"):
        raise BadRequest("action must be 'load', 'unload' or 'list'", param="action")
    if not isinstance(name, str) or (not name and action != "list"):
        raise BadRequest("name must be a text that is not empty", param="name")
    if not isinstance(path, str) or (not path and action == "load"):
        raise BadRequest("path must be a text that is not empty", param="path")
    return Lora(envelope["rid"], action, name, path)


def lora_of(envelope: Mapping[str, Any]) -> str | None:
    """The adapter that a request names."""
    name = envelope.get("lora")
    if name is not None and (not isinstance(name, str) or not name):
        raise BadRequest("lora must be the name of an adapter", param="lora")
    return name


def cosines(query: NDArray[np.float32], documents: NDArray[np.float32]) -> NDArray[np.float32]:
    """One row a document: how near its vector is to the query's, from -1 to 1; 0 for a vector of no length."""
    lengths = np.linalg.norm(documents, axis=1) * np.linalg.norm(query)
    dots = documents @ query
    return np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0).astype(np.float32)[:, None]


def _pool(
    task: Task,
    envelope: Mapping[str, Any],
    inputs: Sequence[str] | Sequence[list[int]],
    *,
    query: str | None = None,
    dimensions: int | None = None,
) -> Pool:
    normalize = envelope.get("normalize")
    if normalize is not None and not isinstance(normalize, bool):
        raise BadRequest("normalize must be true or false", param="normalize")
    return Pool(envelope["rid"], task, inputs, query, dimensions, normalize, lora_of(envelope))


def _inputs(envelope: Mapping[str, Any], message: Message) -> Sequence[str] | Sequence[list[int]]:
    if (message.token_ids is None) == (envelope.get("input") is None):
        raise BadRequest("inputs are either the key input or the tensor token_ids with the key lengths", param="input")
    if message.token_ids is None:
        return _texts(envelope["input"], "input")
    return _rows(message.token_ids, envelope.get("lengths"))


def _texts(value: Any, key: str) -> list[str]:
    texts = cast("list[Any]", value) if isinstance(value, list) else []
    if not 0 < len(texts) <= MOST_INPUTS or not all(isinstance(text, str) and text for text in texts):
        raise BadRequest(f"{key} must be a list of 1 to {MOST_INPUTS} texts that are not empty", param=key)
    return texts


def _rows(token_ids: NDArray[np.int32], lengths: Any) -> list[list[int]]:
    sizes = cast("list[Any]", lengths) if isinstance(lengths, list) else []
    if not 0 < len(sizes) <= MOST_INPUTS or not all(type(size) is int and size > 0 for size in sizes):
        raise BadRequest(f"lengths must be a list of 1 to {MOST_INPUTS} numbers of tokens", param="lengths")
    if token_ids.ndim != 1 or sum(sizes) != token_ids.size or int(token_ids.min()) < 0:
        raise BadRequest("token_ids must be as many ids, from 0 on, as lengths add up to", param="token_ids")
    return [row.tolist() for row in np.split(token_ids, np.cumsum(sizes)[:-1])]

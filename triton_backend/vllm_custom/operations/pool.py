"""`embed`, `classify` and `score`: the ops of pooling models, whose rows travel in the tensor `vectors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..contract.pooling import MOST_INPUTS, Pool, Task
from ..contract.request import Envelope, read_adapter, read_timeout
from ..contract.tensors import Message
from ..errors import BadRequest
from ..serving.context import Call, Serving
from .operation import Operation

Inputs = Sequence[str] | Sequence[list[int]]


def read_embed(envelope: Envelope, message: Message) -> Pool:
    dimensions = envelope.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise BadRequest("dimensions must be a whole number from 1 on", param="dimensions")
    return _pool("embed", envelope, message, _inputs(envelope, message), dimensions=dimensions)


def read_classify(envelope: Envelope, message: Message) -> Pool:
    return _pool("classify", envelope, message, _inputs(envelope, message))


def read_score(envelope: Envelope, message: Message) -> Pool:
    if message.token_ids is not None:
        raise BadRequest("score takes texts", param="token_ids")
    query = envelope.get("query")
    if not isinstance(query, str) or not query:
        raise BadRequest("query must be a text that is not empty", param="query")
    return _pool("score", envelope, message, _texts(envelope.get("documents"), "documents"), query=query)


def run(serving: Serving, request: Pool, call: Call) -> None:
    serving.run_for_result(request, call)


def _pool(
    task: Task,
    envelope: Envelope,
    message: Message,
    inputs: Inputs,
    *,
    query: str | None = None,
    dimensions: int | None = None,
) -> Pool:
    normalize = envelope.get("normalize")
    if normalize is not None and not isinstance(normalize, bool):
        raise BadRequest("normalize must be true or false", param="normalize")
    adapter = read_adapter(envelope)
    timeout = read_timeout(envelope, message)
    return Pool(envelope["rid"], task, inputs, query, dimensions, normalize, adapter, timeout)


def _inputs(envelope: Envelope, message: Message) -> Inputs:
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


EMBED_KEYS = frozenset({"input", "lengths", "dimensions", "normalize", "lora", "timeout_ms"})
SCORE_KEYS = frozenset({"query", "documents", "normalize", "lora", "timeout_ms"})
OPERATIONS = (
    Operation("embed", EMBED_KEYS, read_embed, run),
    Operation("classify", EMBED_KEYS - {"dimensions"}, read_classify, run),
    Operation("score", SCORE_KEYS, read_score, run),
)

"""Pooling and adapters of the replay engine: vectors that a test can predict, and no weights."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..contract.lora import Lora
from ..contract.pooling import Pool, cosines
from ..engine.adapters import CONFIGURATION, Adapter, Adapters
from ..engine.interface import Result
from ..errors import BadRequest, NotFound
from .tokens import Tokenizer

WIDTH = 4
# An input with this text is never done: for cancellation.
ENDLESS = "endless"


async def replay_rows(tokenizer: Tokenizer, tasks: Sequence[str], request: Pool) -> Result:
    """A row an input: how many of its ids have the remainder 0, 1, 2, 3 when divided by four. Raises BadRequest."""
    if request.task not in tasks:
        raise BadRequest(f"this model does not {request.task}; it can {', '.join(tasks)}", param="op")
    if request.dimensions is not None and request.dimensions > WIDTH:
        raise BadRequest(f"this model has {WIDTH} dimensions", param="dimensions")
    if ENDLESS in request.inputs:
        await asyncio.Event().wait()
    given = [*([] if request.query is None else [request.query]), *request.inputs]
    ids = [tokenizer.ids(each) if isinstance(each, str) else each for each in given]
    rows = np.stack([_counts(each, request.dimensions or WIDTH, request.normalize) for each in ids])
    if request.query is not None:
        rows = cosines(rows[0], rows[1:])
    return Result({"shape": list(rows.shape), "prompt_tokens": sum(map(len, ids))}, rows)


async def replay_lora(adapters: Adapters, request: Lora) -> Result:
    """Load, unload or list; the result has the names that are loaded then."""
    if request.action == "load":
        adapters.add(adapters.prepare(request.name, request.path))
    elif request.action == "unload":
        adapters.remove(adapters.get_removable(request.name))
    return Result({"loras": adapters.names})


async def check_folder(adapter: Adapter) -> None:
    """All that loading an adapter is here. Raises NotFound."""
    if not (adapter.path / CONFIGURATION).is_file():
        raise NotFound(f"{adapter.path} has no {CONFIGURATION}", param="path")


def _counts(ids: Sequence[int], width: int, normalize: bool | None) -> NDArray[np.float32]:
    counts = np.bincount(np.asarray(ids) % WIDTH, minlength=WIDTH)[:width].astype(np.float32)
    length = float(np.linalg.norm(counts))
    return counts if normalize is False or not length else counts / np.float32(length)

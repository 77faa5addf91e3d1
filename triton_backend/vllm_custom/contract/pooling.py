"""What an engine is asked to make vectors of, and what is made of vectors (pure).

embed      a row per input: its vector
classify   a row per input: a probability per label
score      a row per document: how well it fits the query, one number
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["embed", "classify", "score"]
MOST_INPUTS = 2048


@dataclass(frozen=True, slots=True)
class Pool:
    """`inputs` are texts, or prompts as token ids; those of `score` are documents, and `query` is what they are scored by.

    `dimensions` and `normalize`: None leaves the model's default. `timeout` in seconds, from its arrival.
    """

    rid: str
    task: Task
    inputs: Sequence[str] | Sequence[list[int]]
    query: str | None
    dimensions: int | None
    normalize: bool | None
    lora: str | None
    timeout: float | None = None


def cosines(query: NDArray[np.float32], documents: NDArray[np.float32]) -> NDArray[np.float32]:
    """How near each document's vector is to the query's, from -1 to 1; 0 for a vector of no length.

    `query` is (width,), `documents` (n, width), the result (n, 1), all float32.
    """
    lengths = np.linalg.norm(documents, axis=1) * np.linalg.norm(query)
    dots = documents @ query
    return np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0).astype(np.float32)[:, None]

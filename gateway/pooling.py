"""Values of pooling: inputs that become a row of numbers each, neutral of OpenAI's shapes and of Triton's.

A `PoolingRequest` goes to a model (`models/`), which has it computed on a Triton; `Rows` come back. The counterpart for
text is `generation.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy.typing as npt
from numpy import float32

Op = Literal["embed", "classify", "score", "moderate"]
"""What a row is: a vector, a probability a class, one number (how well a document fits a query), a probability a label."""


@dataclass(frozen=True, slots=True)
class Tokenizing:
    """How texts become token ids. `keep`: the most tokens of an input; -1: as many as the model takes. `side` is where the
    others are cut off, special tokens like any; None cuts the end of a text and leaves the special tokens around it."""

    keep: int | None = None
    side: Literal["left", "right"] | None = None
    special_tokens: bool = True


@dataclass(frozen=True, slots=True)
class PoolingRequest:
    """`token_ids` are the inputs, tokenised. `score` has texts instead: a `query`, and `documents` to compare with it,
    which the model joins in its own way. `dimensions` is the width of vectors that was asked for. `activation`: whether
    vectors are brought to length one, and classes and scores are probabilities; None leaves it to the model."""

    op: Op
    token_ids: Sequence[Sequence[int]] = ()
    dimensions: int | None = None
    query: str | None = None
    documents: Sequence[str] = ()
    activation: bool | None = None

    @property
    def rows(self) -> int:
        """How many rows there will be."""
        return len(self.documents) if self.query is not None else len(self.token_ids)

    @property
    def tokens(self) -> int:
        """The tokens of all inputs; 0 for texts, whose tokens the backend counts."""
        return sum(map(len, self.token_ids))

    @property
    def longest(self) -> int:
        """The tokens of the longest input; 0 for texts."""
        return max(map(len, self.token_ids), default=0)


class Rows(NamedTuple):
    """`values`: FP32 [n, width], a row an input (or document) in order. `tokens`: what they were made of."""

    values: npt.NDArray[float32]
    tokens: int

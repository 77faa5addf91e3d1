"""What GPUs and CPUs have in common when a model is sized (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.cli.hub.selection import Selection
from gateway.cli.hub.shape import Shape

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
LEAST_CONTEXT = 2048
"""Below, in tokens, a chat is no use: the model counts as too large. vLLM assumes it where a model names no context."""

_TYPICAL = 1024
"""Tokens of a sequence, for how many of them are let in at a time: more would only push each other out of the cache."""

_NO_END = 1e12
_STEP = 256
_EIGHT = 8


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """vLLM's arguments for a model, where they are to be written. `notes` tell the user what was chosen otherwise than the
    model has it, and why."""

    dtype: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_gib: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Demand:
    """What a model takes of each device, in bytes: once, and for each token of the cache."""

    fixed: float
    per_token: float

    def tokens(self, budget: float) -> float:
        """How many tokens the cache holds with so much memory; below 0 if not even the rest fits."""
        if not self.per_token:
            return _NO_END if budget >= self.fixed else -1.0
        return (budget - self.fixed) / self.per_token

    def of(self, tokens: int) -> float:
        """All together, with a cache of so many tokens."""
        return self.fixed + tokens * self.per_token


def weights_bytes(selection: Selection, shape: Shape, dtype: str | None) -> float:
    """The weights in memory. vLLM loads those that are stored as float32 with 16 bits, unless it is told otherwise."""
    if shape.quantization:
        return float(selection.weights_bytes)
    stored = BYTES.get(shape.dtype or "", 2)
    return selection.weights_bytes * BYTES.get(dtype or "", 2) / stored


def kv_bytes(shape: Shape, dtype: str | None, devices: int = 1) -> float:
    """The cache of one token on each of these devices. Heads that are fewer than the devices are kept on several."""
    share = 1.0 if shape.latent or not shape.kv_heads else max(1, shape.kv_heads / devices) / shape.kv_heads
    return shape.kv_values * share * BYTES.get(dtype or "", 2)


def shorter(tokens: float) -> int:
    """A context that is shorter than the model's own: a round number."""
    return int(tokens // _STEP) * _STEP


def one_of(remedies: Sequence[str]) -> str:
    """What the user may do, one a line."""
    return ",\nor ".join(remedies) + "."


def sequences(tokens: float, context: int, most: int) -> int:
    """How many sequences at a time are worth letting in."""
    number = int(min(most, max(1.0, tokens // min(context, _TYPICAL))))
    return number - number % _EIGHT if number > _EIGHT else number

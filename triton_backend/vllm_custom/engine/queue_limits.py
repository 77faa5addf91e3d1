"""Switches vLLM's two queue limits on (pure).

vLLM leaves both off, and requests would queue for ever. vLLM compares them in this process, when a request is added, and
refuses it with an error that becomes `overloaded`. What is written in model.json stays, null (no limit) included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Limits(Protocol):
    """The part of vLLM's SchedulerConfig that is used."""

    max_num_seqs: int
    max_num_batched_tokens: int
    max_num_queued_reqs: int | None
    max_num_queued_tokens: int | None


# Running and waiting together: the last in the queue waits for about three answers. Never too few for a small server.
BATCHES = 4
LEAST_REQUESTS = 256
# Prompts not yet computed, in full steps of the engine, and never less than a few of the longest prompt.
STEPS = 64
LONGEST_PROMPTS = 4


def limit_queue(
    limits: Limits, written: Mapping[str, Any], *, context_length: int, ranks: int, prompts: int = 1
) -> None:
    """Set what `written`, the engine's arguments, does not mention. `ranks`: how many engines share the queue; `prompts`:
    how many there must be room for at least, because one request may bring as many."""
    if "max_num_queued_reqs" not in written:
        limits.max_num_queued_reqs = max(BATCHES * ranks * limits.max_num_seqs, LEAST_REQUESTS, prompts)
    if "max_num_queued_tokens" not in written:
        computed = STEPS * ranks * limits.max_num_batched_tokens
        limits.max_num_queued_tokens = max(computed, max(LONGEST_PROMPTS, prompts) * context_length)

"""The output of a model's parsers (pure): reasoning and tool calls beside the text that is the answer.

In a `delta` they stand in `extra`: `reasoning`, a text, and `tool_calls`, a list of `{index, id, name, arguments}`. The
first delta of a call has its id and name; later ones have null there and more of the arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ParsedChoice:
    """See `outputs.ChoiceOutput`: `text` is the answer alone, `parsed` goes into the delta's `extra`."""

    index: int
    text: str
    token_ids: Sequence[int]
    logprobs: Any
    finish_reason: str | None
    stop_reason: int | str | None
    parsed: Mapping[str, Any]
    cumulative_logprob: float | None = None
    # Of the whole choice; given with its end where the model has a reasoning parser.
    reasoning_tokens: int | None = None
    # A whole answer as the steps that a stream would have had, where they were needed.
    steps: Sequence[ParsedChoice] = ()


@dataclass(frozen=True, slots=True)
class ParsedStep:
    """See `outputs.StepOutput`."""

    outputs: Sequence[ParsedChoice]
    finished: bool
    num_cached_tokens: int | None
    prompt_token_ids: Sequence[int] | None = None
    prompt_logprobs: Any = None


def joined(extras: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The `extra` of several deltas of one choice as one; None for nothing. Linear in what they hold."""
    gathered: dict[str, list[Any]] = {}
    for extra in extras:
        for name, value in extra.items():
            values: list[Any] = [value] if isinstance(value, str) else value
            gathered.setdefault(name, []).extend(values)
    whole: dict[str, Any] = dict(gathered)
    if "reasoning" in gathered:
        whole["reasoning"] = "".join(gathered["reasoning"])
    if "tool_calls" in gathered:
        whole["tool_calls"] = _by_index(gathered["tool_calls"])
    return whole or None


def _by_index(deltas: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for delta in deltas:
        groups.setdefault(delta["index"], []).append(delta)
    return [
        {
            "index": index,
            "id": _first(group, "id"),
            "name": _first(group, "name"),
            "arguments": "".join([delta["arguments"] for delta in group]),
        }
        for index, group in groups.items()
    ]


def _first(deltas: Sequence[Mapping[str, Any]], key: str) -> Any:
    return next((delta[key] for delta in deltas if delta[key] is not None), None)

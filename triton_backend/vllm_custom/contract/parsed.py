"""What a model's parsers make of its text (pure): reasoning and tool calls beside the text that is the answer.

In a `delta` they stand in `extra`: `reasoning`, a text, and `tool_calls`, a list of `{index, id, name, arguments}`. The
first delta of a call has its id and name; later ones have null there and more of the arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..configuration.config import EngineConfig
from ..errors import BadRequest, ConfigError

NO_TOOLS = "this model has no tool parser; its model.json can name one of vLLM's: vllm_custom.tool_parser"


class ParserNames(NamedTuple):
    """Which of vLLM's parsers a model uses."""

    tool: str | None
    reasoning: str | None

    @classmethod
    def of(cls, config: EngineConfig) -> ParserNames:
        """Raises ConfigError. vLLM's own argument `reasoning_parser` counts as well."""
        written = config.settings
        reasoning = written.reasoning_parser or config.arguments.get("reasoning_parser")
        if reasoning is not None and (not isinstance(reasoning, str) or not reasoning):
            raise ConfigError(f"{config.source}: reasoning_parser must be the name of one of vLLM's parsers")
        return cls(written.tool_parser, reasoning)


@dataclass(frozen=True, slots=True)
class ParsedChoice:
    """See `response.ChoiceOutput`: `text` is the answer alone, `parsed` goes into the delta's `extra`."""

    index: int
    text: str
    token_ids: Sequence[int]
    logprobs: Any
    finish_reason: str | None
    stop_reason: int | str | None
    parsed: Mapping[str, Any]
    cumulative_logprob: float | None = None
    # Of the whole choice, said with its end by a model with a reasoning parser.
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ParsedStep:
    """See `response.StepOutput`."""

    outputs: Sequence[ParsedChoice]
    finished: bool
    num_cached_tokens: int | None
    prompt_token_ids: Sequence[int] | None = None
    prompt_logprobs: Any = None


def refuse_tools(body: Mapping[str, Any]) -> None:
    """For a model without a tool parser. Raises BadRequest where the answer could be a tool call, which nobody would see."""
    if body.get("tools") and body.get("tool_choice") != "none":
        raise BadRequest(NO_TOOLS, param="tools")
    if body.get("tool_choice") not in (None, "none", "auto"):
        raise BadRequest(NO_TOOLS, param="tool_choice")


def joined(extras: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The `extra` of several deltas of one choice as one; linear in what they hold."""
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

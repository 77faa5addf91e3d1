"""Which of vLLM's parsers a model uses, and what is refused without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..configuration.config import EngineConfig
from ..errors import BadRequest, ConfigError

NO_TOOLS = "this model has no tool parser; its model.json can name one of vLLM's: vllm_custom.tool_parser"


class ParserNames(NamedTuple):
    """By vLLM's own names; None where the model has none."""

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


def refuse_tools(body: Mapping[str, Any]) -> None:
    """For a model without a tool parser. Raises BadRequest where the answer could be a tool call, which would stay text."""
    if body.get("tools") and body.get("tool_choice") != "none":
        raise BadRequest(NO_TOOLS, param="tools")
    if body.get("tool_choice") not in (None, "none", "auto"):
        raise BadRequest(NO_TOOLS, param="tool_choice")

"""vLLM's parsers of tool calls and reasoning, by the family of a model.

Only families are here whose own chat template works with the parser: where vLLM's documentation wants a template of its
examples as well, tools are left out. `source` says where vLLM documents a line: a page of docs.vllm.ai/en/latest/features,
or a file of https://github.com/vllm-project/recipes.
"""

import re
from collections.abc import Set
from dataclasses import dataclass

from gateway.cli.errors import Problem
from gateway.cli.hub.options import NONE, Options

_TOOLS = "features/tool_calling"
_REASONING = "features/reasoning_outputs"


@dataclass(frozen=True)
class Family:
    """Models of these `model_types` (of config.json) whose hub name, in small letters, holds the pattern `name`."""

    model_types: tuple[str, ...]
    name: str
    tool: str | None
    reasoning: str | None
    source: str


_QWEN3 = ("qwen3", "qwen3_moe", "qwen3_next")
_QWEN35 = ("qwen3_5", "qwen3_5_moe")
_LLAMA = ("llama", "mllama")
_DEEPSEEK = ("deepseek_v3", "kimi_k2")
_GRANITE = ("granite", "granitemoe")
_GRANITE4 = ("granite", "granitemoehybrid")
_MISTRAL = ("mistral", "mistral3", "mixtral", "ministral3")
_MISTRAL_TOOLS = r"^mistralai/(mistral-7b-instruct-v0\.3|mistral-(nemo|small|medium|large)|ministral|devstral)"

FAMILIES = (
    # Fine-tunes on other people's weights go first: their names say more than their type.
    Family(("qwen2", "llama"), r"deepseek-r1-distill", None, "deepseek_r1", _REASONING),
    Family(("llama", "mistral", "qwen2", "qwen3"), r"hermes-(2-pro|2-theta|3)", "hermes", None, _TOOLS),
    Family((*_QWEN3, *_QWEN35), r"(embedding|reranker|guard|asr|-base)", None, None, "no chats"),
    Family(_QWEN3, r"coder", "qwen3_xml", None, _TOOLS),
    Family(_QWEN3, r"instruct", "hermes", None, "recipes: models/Qwen/Qwen3-Next-80B-A3B-Instruct.yaml"),
    Family(_QWEN3, r"qwen3", "hermes", "qwen3", "recipes: models/Qwen/Qwen3-4B.yaml"),
    Family(_QWEN35, r"qwen3", "qwen3_coder", "qwen3", "recipes: models/Qwen/Qwen3.5-4B.yaml"),
    Family(("qwen2",), r"qwq", "hermes", "deepseek_r1", _REASONING),
    Family(("qwen2", "qwen2_moe"), r"qwen2\.5.*instruct", "hermes", None, _TOOLS),
    Family(_LLAMA, r"llama-3\.[123].*instruct", "llama3_json", None, _TOOLS),
    Family(_MISTRAL, _MISTRAL_TOOLS, "mistral", None, _TOOLS),
    Family(("gpt_oss",), r"", "openai", "openai_gptoss", _TOOLS),
    Family(_DEEPSEEK, r"deepseek-r1", None, "deepseek_r1", _REASONING),
    Family(_DEEPSEEK, r"deepseek-v3\.1", None, "deepseek_v3", _REASONING),
    Family(("gemma4",), r"gemma-4", None, "gemma4", "recipes: models/Google/gemma-4-E4B-it.yaml"),
    Family(_GRANITE, r"granite-3\.2.*instruct", "granite", "granite", _REASONING),
    Family(_GRANITE, r"granite-3\.[13].*instruct", "granite", None, _TOOLS),
    Family(_GRANITE4, r"granite-4", "granite4", None, _TOOLS),
    Family(("glm4_moe",), r"glm-4\.[56]", "glm45", "glm45", _REASONING),
    Family(("glm4_moe", "glm4_moe_lite"), r"glm-4\.7", "glm47", "glm45", "recipes: models/zai-org/GLM-4.7.yaml"),
    Family(("minimax_m2", "minimax"), r"minimax-m2", "minimax_m2", "minimax_m2_append_think", _REASONING),
    Family(("hunyuan_v1_moe",), r"a13b-instruct", "hunyuan_a13b", "hunyuan_a13b", _TOOLS),
    Family(("ernie4_5_moe",), r"thinking", "ernie45", "ernie45", _REASONING),
    Family(("lfm2", "lfm2_moe"), r"lfm2\.5", "lfm2", None, "recipes: models/LiquidAI/LFM2.5-1.2B-Instruct.yaml"),
    Family(("olmo3",), r"olmo-3.*instruct", "olmo3", None, _TOOLS),
    Family(("jamba",), r"jamba-1\.5", "jamba", None, _TOOLS),
    Family(("longcat_flash",), r"chat", "longcat", None, _TOOLS),
)
"""The first that fits counts."""


@dataclass(frozen=True)
class Parsers:
    """By vLLM's names; None: none."""

    tool: str | None
    reasoning: str | None


def choose(
    model: str, model_type: str, options: Options, tools: Set[str] | None, reasoning: Set[str] | None
) -> Parsers:
    """What the options say, or what suits the family. `tools` and `reasoning` are the names that the installed vLLM has, or
    None where that is not known: a name that it lacks is left out. Raises Problem if the options name such a one."""
    family = family_of(model, model_type)
    return Parsers(
        _chosen("TOOL_PARSER", options.tool_parser, family and family.tool, tools),
        _chosen("REASONING_PARSER", options.reasoning_parser, family and family.reasoning, reasoning),
    )


def family_of(model: str, model_type: str) -> Family | None:
    """The family of a model, by its hub name and the type in its configuration."""
    name = model.lower()
    return next((f for f in FAMILIES if model_type in f.model_types and re.search(f.name, name)), None)


def _chosen(variable: str, wished: str | None, suits: str | None, known: Set[str] | None) -> str | None:
    if wished is None:
        return suits if known is None or suits in known else None
    if wished == NONE:
        return None
    if known is not None and wished not in known:
        raise Problem(f"{variable}={wished} is none of vLLM's parsers.", f"choose one of {', '.join(sorted(known))}.")
    return wished

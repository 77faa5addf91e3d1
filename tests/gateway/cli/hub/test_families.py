"""Twin of gateway/cli/hub/families.py; tests/vllm_env holds its names against the vLLM that is installed."""

from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.hub.families import FAMILIES, Parsers, choose, family_of
from gateway.cli.hub.options import Options

NOTHING = Options(model="a/b", repository=Path("/models"))


@pytest.mark.parametrize(
    ("model", "model_type", "tool", "reasoning"),
    [
        ("Qwen/Qwen3-0.6B", "qwen3", "hermes", "qwen3"),
        ("Qwen/Qwen3-4B-Thinking-2507", "qwen3", "hermes", "qwen3"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen3_moe", "hermes", None),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_moe", "qwen3_xml", None),
        ("Qwen/Qwen3-0.6B-Base", "qwen3", None, None),
        ("Qwen/Qwen3-Embedding-0.6B", "qwen3", None, None),
        ("Qwen/Qwen3.5-4B", "qwen3_5", "qwen3_coder", "qwen3"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2", "hermes", None),
        ("Qwen/Qwen2-7B-Instruct", "qwen2", None, None),
        ("Qwen/QwQ-32B", "qwen2", "hermes", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "qwen2", None, "deepseek_r1"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek_v3", None, "deepseek_r1"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama", "llama3_json", None),
        ("meta-llama/Llama-3.1-8B", "llama", None, None),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "llama", "hermes", None),
        ("openai/gpt-oss-20b", "gpt_oss", "openai", "openai_gptoss"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral", "mistral", None),
        ("mistralai/Mistral-7B-Instruct-v0.2", "mistral", None, None),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "llama", None, None),
        ("somebody/qwen3", "their_own", None, None),
    ],
)
def test_family_is_known_by_type_and_name(model: str, model_type: str, tool: str | None, reasoning: str | None):
    """Where it is not, there is no parser."""
    assert choose(model, model_type, NOTHING, None, None) == Parsers(tool, reasoning)


def test_every_line_has_its_source():
    """And can be reached: no line above it takes all that it would."""
    for family in FAMILIES:
        assert family.source
        assert family.tool or family.reasoning or family.source == "no chats"
    example = family_of("MiniMaxAI/MiniMax-M2", "minimax_m2")
    assert example is not None
    assert example.tool == "minimax_m2"


def test_options_go_before_the_family():
    """`none` is no parser."""
    asked = Options(model="a/b", repository=Path("/models"), tool_parser="pythonic", reasoning_parser="none")
    assert choose("Qwen/Qwen3-0.6B", "qwen3", asked, None, None) == Parsers("pythonic", None)


def test_parser_that_vllm_lacks_is_left_out():
    """An older one has fewer."""
    assert choose("Qwen/Qwen3-0.6B", "qwen3", NOTHING, {"hermes"}, {"deepseek_r1"}) == Parsers("hermes", None)


def test_parser_that_vllm_lacks_may_not_be_asked_for():
    """Those that it has are named."""
    asked = Options(model="a/b", repository=Path("/models"), tool_parser="hermess")
    with pytest.raises(Problem, match="TOOL_PARSER=hermess is none of vLLM's parsers") as caught:
        choose("a/b", "", asked, {"hermes", "mistral"}, None)
    assert caught.value.fix == "choose one of hermes, mistral."

"""What `gateway/cli/hub` and `gateway/cli/gpus` say about vLLM is true of the vLLM that is installed."""

from __future__ import annotations

import pytest

from gateway.cli.gpus.quantization import QUANTIZATIONS
from gateway.cli.hub import cpu_sizing, gpu_sizing, installed
from gateway.cli.hub.families import FAMILIES


def test_every_parser_of_the_table_is_registered() -> None:
    """By exactly that name."""
    from vllm.reasoning import ReasoningParserManager
    from vllm.tool_parsers import ToolParserManager

    for family in FAMILIES:
        if family.tool is not None:
            assert ToolParserManager.get_tool_parser(family.tool)
        if family.reasoning is not None:
            assert ReasoningParserManager.get_reasoning_parser(family.reasoning)


def test_source_says_what_the_library_says() -> None:
    """The names are read from it, because importing it takes seconds."""
    from vllm.model_executor.models import ModelRegistry
    from vllm.reasoning import ReasoningParserManager
    from vllm.tool_parsers import ToolParserManager

    assert installed.tool_parsers() == set(ToolParserManager.list_registered())
    assert installed.reasoning_parsers() == set(ReasoningParserManager.list_registered())
    known = installed.architectures()
    assert known is not None
    assert set(ModelRegistry.get_supported_archs()) <= known
    assert len(known) > 200


@pytest.mark.usefixtures("locked_vllm")
@pytest.mark.parametrize("name", sorted(QUANTIZATIONS))
def test_quantisations_need_the_capability_of_the_table(name: str) -> None:
    """As vLLM checks it."""
    from vllm.model_executor.layers.quantization import get_quantization_config

    major, minor = QUANTIZATIONS[name]
    assert get_quantization_config(name).get_min_capability() == 10 * major + minor


@pytest.mark.usefixtures("locked_vllm")
def test_other_quantisations_run_on_every_gpu_of_cuda_13() -> None:
    """Compute capability 7.5: only what needs more stands in the table."""
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS, get_quantization_config

    needs_more = {name for name in QUANTIZATION_METHODS if get_quantization_config(name).get_min_capability() > 75}
    # vLLM's own names for formats of single families, which no config.json has.
    assert needs_more - set(QUANTIZATIONS) <= {"gpt_oss_mxfp4"}


@pytest.mark.usefixtures("locked_vllm")
def test_models_that_overflow_in_float16_are_those_of_vllm() -> None:
    """vLLM refuses to start with it."""
    from vllm.config import model

    assert set(gpu_sizing._NO_FLOAT16) == set(model._FLOAT16_NOT_SUPPORTED_MODELS)


def test_quantisations_for_the_cpu_are_names_of_vllm() -> None:
    """The names of their method in config.json."""
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

    assert set(cpu_sizing._KERNELS) - {"auto-round"} <= set(QUANTIZATION_METHODS)

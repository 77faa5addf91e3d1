"""Constraints in every order: the engine stays whole, whatever came first, and a refusal names its field."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from vllm.platforms import current_platform
from vllm_custom.configuration.config import EngineConfig, engine_args, load
from vllm_custom.contract.generate import Generate
from vllm_custom.engine.adapters import Adapters
from vllm_custom.engine.parser_names import ParserNames
from vllm_custom.engine.structured_backend import choose_backend
from vllm_custom.engine.vllm_opener import VllmOpener
from vllm_custom.errors import BackendError, ConfigError, translate_refusal

from tests.vllm_env.constraints import CONSTRAINTS, FIELDS, FIVE, SMALL, SMOLLM2, write_model

ROOT = Path(__file__).parents[2]


class NoEngine:
    """What an engine does with a request before its first step: it checks the parameters, and makes the grammar."""

    def __init__(self, config: EngineConfig) -> None:
        from vllm.renderers import renderer_from_config
        from vllm.usage.usage_lib import UsageContext

        self.vllm_config: Any = engine_args(config).create_engine_config(UsageContext.OPENAI_API_SERVER)
        choose_backend(self.vllm_config, None)
        self.model_config = self.vllm_config.model_config
        self.renderer: Any = renderer_from_config(self.vllm_config)
        self.params: Any = None

    async def add_request(self, request_id: str, prompt: Any, params: Any, **others: Any) -> Any:
        structured = self.vllm_config.structured_outputs_config
        params.verify(self.model_config, None, structured, self.renderer.get_tokenizer())
        self.params = params
        return SimpleNamespace()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parameters that the engine is given for each constraint, or what is said against it."""
    if not current_platform.device_type:
        pytest.skip("this vLLM is built for a device that is not here")
    folder = tmp_path_factory.mktemp("repository") / "toy"
    write_model(folder, SMOLLM2, **SMALL, vllm_custom={"tool_parser": "hermes"})
    config = load("toy", folder / "1")
    engine: Any = NoEngine(config)
    opener = VllmOpener(engine, config, ParserNames.of(config), Adapters.of(config), lambda: None)

    async def open_all() -> dict[str, Any]:
        found: dict[str, Any] = {"engine": engine}
        for name, (body, _) in CONSTRAINTS.items():
            try:
                await opener.open(Generate("r", "chat", {"max_tokens": 48, **body}, "Say it.", None))
                found[name] = engine.params
            except Exception as error:  # noqa: BLE001  as engine_requests.py
                found[name] = translate_refusal(error, body.keys())
        return found

    return asyncio.run(open_all())


def test_operator_may_choose_another_backend(tmp_path: Path) -> None:
    """As vLLM's own class, so that the reasoning parser finds its place in it."""
    own = {"reasoning_parser": "qwen3"}
    write_model(tmp_path / "a", SMOLLM2, structured_outputs_config={"backend": "guidance"}, vllm_custom=own)
    assert engine_args(load("a", tmp_path / "a" / "1")).structured_outputs_config.backend == "guidance"
    write_model(tmp_path / "b", SMOLLM2, structured_outputs_config={"backend": "none"})
    with pytest.raises(ConfigError, match="backend"):
        engine_args(load("b", tmp_path / "b" / "1"))


@pytest.mark.parametrize("name", list(CONSTRAINTS))
def test_constraint_is_taken_or_refused_by_name(opened: dict[str, Any], name: str) -> None:
    """Before the engine has it; nothing is a fault of ours."""
    _, wanted = CONSTRAINTS[name]
    outcome = opened[name]
    if wanted.startswith(FIELDS):
        assert (outcome.type, outcome.param) == ("bad_request", wanted), outcome.message
    else:
        assert not isinstance(outcome, BackendError), outcome.message


@pytest.mark.parametrize("first", FIVE)
def test_one_backend_makes_all_grammars(opened: dict[str, Any], first: str) -> None:
    """Those of the engine's process, in the order of the requests: it keeps the backend of the first."""
    from vllm.v1.structured_output import StructuredOutputManager
    from vllm.v1.structured_output.request import StructuredOutputRequest

    manager = StructuredOutputManager(opened["engine"].vllm_config)
    for name in (first, *CONSTRAINTS):
        params = opened[name]
        if isinstance(params, BackendError):
            continue
        request = SimpleNamespace(request_id=name, sampling_params=params)
        request.structured_output_request = StructuredOutputRequest.from_sampling_params(params)
        manager.grammar_init(request)
        if request.structured_output_request is not None:
            assert request.structured_output_request._grammar.result(30) is not None


@pytest.mark.skipif(os.environ.get("VLLM_CUSTOM_ENGINE_TESTS") != "1", reason="starts real engines")
@pytest.mark.timeout(280)
@pytest.mark.parametrize("first", list(CONSTRAINTS))
def test_engine_stays_whole_whatever_came_first(tmp_path: Path, first: str) -> None:
    """One after the other in a fresh engine, and the first once more at the end."""
    command = [sys.executable, "-m", "tests.vllm_env.constraint_order", tmp_path, first]
    subprocess.run(command, cwd=ROOT, check=True, timeout=270)
    assert (tmp_path / "wrong").read_text() == ""

"""Constraints in every order: the engine stays whole, whatever came first, and a refusal names its field."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
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

from tests.triton_backend.vllm_custom.conftest import MODEL_PY, Backend, arguments
from tests.vllm_env.constraints import CONSTRAINTS, FIELDS, FIVE, write_model

SMOLLM2 = Path(__file__).parents[2] / ".cache" / "models" / "smollm2-135m-instruct"
SMALL = {"dtype": "float32", "max_num_seqs": 16, "enforce_eager": True, "kv_cache_memory_bytes": 1 << 26}


def judge(name: str, records: list[list[Any]]) -> str | None:
    """What is wrong with the answer to a constraint; None if it is right."""
    _, wanted = CONSTRAINTS[name]
    last = records[-1]
    if wanted.startswith(FIELDS):
        return None if last[1] == "error" and last[3] == "bad_request" and last[5] == wanted else f"{name}: {last}"
    if last[1] != "end":
        return f"{name}: {last}"
    deltas = [record for record in records if record[1] == "delta"]
    calls = [call for record in deltas for call in (record[5] or {}).get("tool_calls", [])]
    text = "".join(call["arguments"] for call in calls) if calls else "".join(record[3] for record in deltas)
    return None if re.fullmatch(wanted, text) else f"{name}: {text!r}"


def ask(backend: Backend, name: str) -> str | None:
    body, _ = CONSTRAINTS[name]
    whole = {"max_tokens": 48, "temperature": 0, **body}
    return judge(name, backend.ask("generate", api="chat", prompt="Say it.", body=whole).finish(120))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Backend]:
    """A tiny engine that has had no request yet."""
    write_model(tmp_path / "toy", SMOLLM2, **SMALL, vllm_custom={"tool_parser": "hermes"})
    model = MODEL_PY.TritonPythonModel()
    model.initialize(arguments(tmp_path / "toy"))
    backend = Backend(model)
    yield backend
    backend.stop()


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
def test_engine_stays_whole_whatever_came_first(fresh: Backend, first: str) -> None:
    """One after the other in a fresh engine, and the first once more at the end."""
    others = [name for name in CONSTRAINTS if name != first]
    wrong = [ask(fresh, name) for name in (first, *others, first)]
    assert not [*filter(None, wrong)], "\n".join(filter(None, wrong))
    assert fresh.ask("health").finish()[0][3]["restarts"] == 0

"""Constraints in every order: the engine stays whole, whatever came first, and a refusal names its field."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.triton_backend.vllm_custom.conftest import MODEL_PY, Backend, arguments
from tests.vllm_env.constraints import CONSTRAINTS, FIELDS, write_model

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


@pytest.mark.skipif(os.environ.get("VLLM_CUSTOM_ENGINE_TESTS") != "1", reason="starts real engines")
@pytest.mark.timeout(280)
@pytest.mark.parametrize("first", list(CONSTRAINTS))
def test_engine_stays_whole_whatever_came_first(fresh: Backend, first: str) -> None:
    """One after the other in a fresh engine, and the first once more at the end."""
    others = [name for name in CONSTRAINTS if name != first]
    wrong = [ask(fresh, name) for name in (first, *others, first)]
    assert not [*filter(None, wrong)], "\n".join(filter(None, wrong))
    assert fresh.ask("health").finish()[0][3]["restarts"] == 0

"""Why an engine did not start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vllm_custom.engine.refusal import VARIABLE, StartLog, reason
from vllm_custom.errors import ConfigError, Unavailable

CONFIG = {"version": 1, "handlers": {"vllm": {"class": "x"}}, "loggers": {"vllm": {"handlers": ["vllm"]}}}
LATE = "Engine core initialization failed. See root cause above. Failed core proc(s): {}"
SAID = """\
EngineCore failed to start.
Traceback (most recent call last):
  File "core.py", line 1, in run_engine_core
ValueError: Free memory on device cuda:0 (9.1/79.2 GiB) on startup is less than desired GPU memory utilization
(Worker pid=7) ERROR 11-26 09:00:00 [x.py:1] Exception: WorkerProc initialization failed due to an exception in a \
background process. See stack trace for root cause.
"""


@pytest.fixture
def log():
    log = StartLog()
    yield log
    log.close()


def errors_of(environment: dict[str, str]) -> Path:
    written = json.loads(Path(environment[VARIABLE]).read_text())
    assert written["loggers"]["vllm"]["handlers"] == ["vllm", "vllm_custom_errors"]
    return Path(written["handlers"]["vllm_custom_errors"]["filename"])


def test_late_refusal_gets_its_reason(log):
    """vLLM's processes have written it into the log."""
    environment: dict[str, str] = {}
    log.begin(CONFIG, environment)
    errors_of(environment).write_text(SAID)
    found = log.explain(RuntimeError(LATE))
    assert isinstance(found, Unavailable)
    assert str(found).startswith("the engine did not start: ValueError: Free memory on device cuda:0 (9.1/79.2 GiB)")
    assert CONFIG["loggers"] == {"vllm": {"handlers": ["vllm"]}}, "vLLM's own is not changed"


def test_error_with_a_reason_is_kept(log):
    """Also where nothing was written."""
    environment: dict[str, str] = {}
    log.begin(CONFIG, environment)
    late, early = RuntimeError(LATE), ConfigError("model.json: dtype")
    assert log.explain(late) is late
    errors_of(environment).write_text(SAID)
    assert log.explain(early) is early


def test_log_of_the_operators_own_is_kept(log):
    """And one that vLLM does not have."""
    environment = {VARIABLE: "/theirs.json"}
    log.begin(CONFIG, environment)
    assert environment == {VARIABLE: "/theirs.json"}
    empty: dict[str, str] = {}
    log.begin({}, empty)
    assert empty == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("RuntimeError: Failed core proc(s): {}", None),
        (
            "(EngineCore pid=9) ERROR [core.py:3] torch.OutOfMemoryError: CUDA out of memory. Tried",
            "torch.OutOfMemoryError",
        ),
        ("KeyError: 'a'\nValueError: No available memory for the cache blocks.", "ValueError: No available memory"),
    ],
)
def test_reason_is_the_last_exception_that_says_something(text, found):
    """With or without vLLM's prefix."""
    got = reason(text)
    assert got is None if found is None else str(got).startswith(found)

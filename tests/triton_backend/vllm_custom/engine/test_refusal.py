"""Why an engine did not start."""

from __future__ import annotations

import subprocess
import sys

import pytest
from vllm_custom.engine.refusal import SWITCH, VARIABLE, StartLog, reason
from vllm_custom.errors import ConfigError, Unavailable

CONFIG = {
    "version": 1,
    "handlers": {"vllm": {"class": "logging.NullHandler"}},
    "loggers": {"vllm": {"handlers": ["vllm"]}},
}
LATE = "Engine core initialization failed. See root cause above. Failed core proc(s): {}"
SAID = """\
EngineCore failed to start.
Traceback (most recent call last):
  File "core.py", line 1, in run_engine_core
ValueError: Free memory on device cuda:0 (9.1/79.2 GiB) on startup is less than desired GPU memory utilization
(Worker pid=7) ERROR 11-26 09:00:00 [x.py:1] Exception: WorkerProc initialization failed due to an exception in a \
background process. See stack trace for root cause.
"""
# It reads its configuration as vLLM's processes do, and logs as they do.
PROCESS = """
import json, logging.config, os, sys
path = os.environ.get("VLLM_LOGGING_CONFIG_PATH")
if path:
    assert os.path.exists(path)
    logging.config.dictConfig(json.load(open(path)))
logging.getLogger("vllm").error(sys.argv[1])
"""


@pytest.fixture
def log():
    log = StartLog()
    yield log
    log.close({})


def say(environment: dict[str, str], text: str = SAID) -> None:
    """Log an error in an engine process with this environment."""
    subprocess.run([sys.executable, "-c", PROCESS, text], env=environment, check=True, capture_output=True)


def test_late_refusal_gets_its_reason(log):
    """Another process has logged it."""
    environment: dict[str, str] = {}
    log.begin(CONFIG, {}, environment)
    say(environment)
    found = log.explain(RuntimeError(LATE))
    assert isinstance(found, Unavailable)
    assert str(found).startswith("the engine did not start: ValueError: Free memory on device cuda:0 (9.1/79.2 GiB)")
    assert CONFIG["loggers"] == {"vllm": {"handlers": ["vllm"]}}, "vLLM's own is not changed"


def test_error_with_a_reason_is_kept(log):
    """Also where nothing was written."""
    environment: dict[str, str] = {}
    log.begin(CONFIG, {}, environment)
    late, early = RuntimeError(LATE), ConfigError("model.json: dtype")
    assert log.explain(late) is late
    say(environment)
    assert log.explain(early) is early


def test_what_follows_the_start_is_not_kept(log):
    """An engine that runs for months may log many errors."""
    environment: dict[str, str] = {}
    log.begin(CONFIG, {}, environment)
    say(environment)
    log.end()
    say(environment)
    late = RuntimeError(LATE)
    assert log.explain(late) is late


def test_nothing_lies_in_the_temporary_folder(tmp_path, monkeypatch):
    """So nothing is left there when the process is killed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log, environment = StartLog(), {"TMPDIR": str(tmp_path)}
    log.begin(CONFIG, {}, environment)
    say(environment)
    assert list(tmp_path.iterdir()) == []
    log.close(environment)
    assert environment == {"TMPDIR": str(tmp_path)}


@pytest.mark.parametrize(
    ("config", "arguments", "environment"),
    [
        (CONFIG, {}, {VARIABLE: "/theirs.json"}),
        (CONFIG, {}, {SWITCH: "0"}),
        (CONFIG, {"distributed_executor_backend": "ray"}, {}),
        (CONFIG, {"data_parallel_backend": "ray"}, {}),
        ({}, {}, {}),
    ],
)
def test_log_is_left_alone(log, config, arguments, environment):
    """That of the operator's own; one that is off; one whose processes may run on other hosts; one that vLLM lacks."""
    changed = dict(environment)
    log.begin(config, arguments, changed)
    assert changed == environment


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

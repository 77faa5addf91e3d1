"""The environment of a model's processes."""

from __future__ import annotations

import os
import socket
import uuid

import pytest
from vllm_custom.configuration.process_environment import LONGEST_SOCKET_FOLDER, set_variables


def test_operators_environment_is_kept():
    """Defaults fill what nobody has set."""
    environment = {"HF_HUB_OFFLINE": "0"}
    set_variables(environment, {}, {})
    assert environment["HF_HUB_OFFLINE"] == "0"
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


@pytest.mark.parametrize(
    ("given", "transformers"), [({}, "1"), ({"HF_HUB_OFFLINE": "0"}, "0"), ({"HF_HUB_OFFLINE": "1"}, "1")]
)
def test_downloads_are_allowed_by_one_variable(given, transformers):
    """transformers follows the hub's own, unless it is told otherwise."""
    environment = dict(given)
    set_variables(environment, {}, {})
    assert environment["TRANSFORMERS_OFFLINE"] == transformers
    set_variables(environment := {"TRANSFORMERS_OFFLINE": "0"}, {}, {})
    assert (environment["TRANSFORMERS_OFFLINE"], environment["HF_HUB_OFFLINE"]) == ("0", "1")


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, None),
        ({"TMPDIR": "/" + "t" * 69}, None),
        ({"TMPDIR": "/" + "t" * 70}, "/tmp"),
        ({"TMP": "/" + "ü" * 36}, "/tmp"),
        ({"TMPDIR": "/" + "t" * 70, "VLLM_RPC_BASE_PATH": "/run/s"}, "/run/s"),
    ],
)
def test_sockets_have_a_path_that_the_kernel_takes(given, chosen):
    """A long TMPDIR, as build systems and clusters have it, does not fit with the name behind it."""
    environment = dict(given)
    set_variables(environment, {}, {})
    assert environment.get("VLLM_RPC_BASE_PATH") == chosen


def test_longest_socket_can_be_bound(tmp_path):
    """With a name as vLLM makes it."""
    folder = tmp_path / ("t" * (LONGEST_SOCKET_FOLDER - len(str(tmp_path)) - 1))
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{folder}/{uuid.uuid4()}")
    with socket.socket(socket.AF_UNIX) as bound, pytest.raises(OSError, match="too long"):
        bound.bind(f"{folder}x/{uuid.uuid4()}")


@pytest.mark.parametrize(
    ("given", "there", "disabled"),
    [({}, "g++", None), ({}, "", "1"), ({"CXX": "clang++"}, "g++", "1"), ({"TORCHDYNAMO_DISABLE": "0"}, "", "0")],
)
def test_nothing_is_compiled_without_a_compiler(given, there, disabled, tmp_path):
    """The engine died of it at its first token, in an image without g++."""
    if there:
        (tmp_path / there).touch(mode=0o755)
    environment = {"PATH": str(tmp_path), **given}
    set_variables(environment, {}, {})
    assert environment.get("TORCHDYNAMO_DISABLE") == disabled


SPACE = "VLLM_CPU_KVCACHE_SPACE"


@pytest.mark.parametrize(
    ("arguments", "chosen", "space"),
    [
        ({}, {}, "1"),
        ({"kv_cache_memory_bytes": None}, {}, "1"),
        ({"kv_cache_memory_bytes": 1 << 28}, {}, None),
        ({"kv_cache_memory_bytes": 1 << 28}, {SPACE: "2"}, "2"),
    ],
)
def test_the_models_own_size_of_the_kv_cache_counts(arguments, chosen, space):
    """With Triton's variable, vLLM on a CPU would not look at the argument."""
    environment = {SPACE: "1"}
    set_variables(environment, chosen, arguments)
    assert environment.get(SPACE) == space


def test_models_own_environment_wins(start, monkeypatch):
    """What model.json says is said of this model alone: over Triton's environment, over our defaults, over `threads`."""
    monkeypatch.setattr(os, "environ", environment := {"OMP_NUM_THREADS": "16", "LEFT": "alone"})
    chosen = {"HF_HUB_OFFLINE": "0", "VLLM_CPU_OMP_THREADS_BIND": "0-1"}
    start(vllm_custom={"threads": 2, "environment": chosen})
    expected = {"OMP_NUM_THREADS": "2", "LEFT": "alone", **chosen}
    assert expected.items() <= environment.items()

"""Twin of gateway/cli/supervise/programs.py."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.layout import Layout
from gateway.cli.supervise import shared_memory
from gateway.cli.supervise.programs import Addresses, gateway_program, triton_program


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("10.0.0.5", "10.0.0.5")],
)
def test_a_gateway_on_all_addresses_is_on_loopback_too(host: str, reachable: str):
    """That is where this machine asks it."""
    assert Addresses(host=host).reachable_host == reachable


def test_triton_listens_on_loopback_alone(layout: Layout):
    """Whatever the gateway's host is: that is the only door."""
    command = triton_program(layout, Addresses("0.0.0.0", 8000, 9001, 9002)).command
    options = dict(part.removeprefix("--").partition("=")[::2] for part in map(str, command[1:]))
    assert (options["grpc-address"], options["metrics-address"]) == ("127.0.0.1", "127.0.0.1")
    assert (options["grpc-port"], options["metrics-port"]) == ("9001", "9002")
    assert {options[f"allow-{name}"] for name in ("http", "sagemaker", "vertex-ai")} == {"false"}
    assert options["model-repository"] == str(layout.model_repository)
    assert "0.0.0.0" not in map(str, command)


def test_every_backend_names_its_memory_as_we_do(layout: Layout):
    """So that what a killed one leaves is known to be ours."""
    command = triton_program(layout, Addresses()).command
    regions = [str(part) for part in command if "shm-region-prefix-name" in str(part)]
    assert regions == [
        f"--backend-config={name},shm-region-prefix-name={shared_memory.prefix()}"
        for name in ("python", "vllm_custom", "pytorch")
    ]


def test_tritons_environment_is_offline_and_its_own(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """The stub's Python comes first on PATH; what the user set for the cache is kept."""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/theirs")
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    environment = triton_program(layout, Addresses()).environment
    assert environment["PATH"].split(os.pathsep)[0] == str(layout.environment("pytorch") / "bin")
    assert environment["LD_LIBRARY_PATH"].split(os.pathsep)[0].startswith(str(layout.triton))
    assert environment["LD_LIBRARY_PATH"].endswith("/theirs")
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["VLLM_CPU_KVCACHE_SPACE"]) == ("", "1")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "5")
    assert triton_program(layout, Addresses()).environment["VLLM_CPU_KVCACHE_SPACE"] == "5"


@pytest.mark.parametrize(("cuda", "devices"), [(True, "0,1"), (False, "")])
def test_gpus_are_hidden_from_builds_for_the_cpu_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, cuda: bool, devices: str
):
    """Builds for CUDA see what the user lets them see."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    environment = triton_program(replace(layout, cuda=cuda), Addresses()).environment
    assert environment["CUDA_VISIBLE_DEVICES"] == devices


def test_the_gateway_is_told_where_triton_is(layout: Layout):
    """And where to listen, with how many workers; it runs in its own environment."""
    program = gateway_program(layout, Addresses("0.0.0.0", 8080, 9001), 3)
    assert list(map(str, program.command)) == [str(layout.python("gateway")), "-m", "gateway"]
    told = {name: program.environment[f"TRITON_GATEWAY_{name}"] for name in ("HOST", "PORT", "WORKERS", "TRITON_URLS")}
    assert told == {"HOST": "0.0.0.0", "PORT": "8080", "WORKERS": "3", "TRITON_URLS": "127.0.0.1:9001"}


def test_both_end_within_the_time_that_is_promised(layout: Layout):
    """Fifteen seconds, with what killing takes."""
    graces = [triton_program(layout, Addresses()).grace_s, gateway_program(layout, Addresses(), 1).grace_s]
    assert 0 < sum(graces) < 15

"""Twin of gateway/cli/supervise/programs.py."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.installation import of_checkout
from gateway.cli.layout import Layout
from gateway.cli.supervise import shared_memory
from gateway.cli.supervise.endpoint import Endpoint, on_port
from gateway.cli.supervise.programs import Addresses, gateway_program, reconciler_program, triton_program
from gateway.cli.supervise.service import Program


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


STATE = Path("/state")
ADDRESSES = Addresses(triton_metrics_port=9002)
AT = Endpoint({"grpc-address": "unix:/private/grpc.sock", "grpc-port": "0"}, "unix:/private/grpc.sock:0")


def reconciler(layout: Layout) -> Program:
    return reconciler_program(of_checkout(layout, STATE), AT, [])


def triton(layout: Layout) -> Program:
    return triton_program(of_checkout(layout, STATE), AT, ADDRESSES, [layout.model_repository])


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("10.0.0.5", "10.0.0.5")],
)
def test_a_gateway_on_all_addresses_is_on_loopback_too(host: str, reachable: str):
    """That is where this machine asks it."""
    assert Addresses(host=host).reachable_host == reachable


@pytest.mark.parametrize(("host", "url"), [("::", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000")])
def test_the_url_is_one_that_a_client_can_read(host: str, url: str):
    """An address of IPv6 stands in brackets."""
    assert Addresses(host=host).url == url


def options_of(program: Program) -> dict[str, str]:
    return dict(part.removeprefix("--").partition("=")[::2] for part in map(str, program.command[1:]))


def test_triton_listens_where_others_do_not_come(layout: Layout):
    """Its gRPC at the endpoint, its metrics on loopback, and nothing else."""
    options = options_of(triton(layout))
    assert (options["grpc-address"], options["grpc-port"]) == ("unix:/private/grpc.sock", "0")
    assert (options["metrics-address"], options["metrics-port"]) == ("127.0.0.1", "9002")
    assert {options[f"allow-{name}"] for name in ("http", "sagemaker", "vertex-ai")} == {"false"}
    on_a_port = options_of(triton_program(of_checkout(layout, STATE), on_port(9001), ADDRESSES, []))
    assert (on_a_port["grpc-address"], on_a_port["grpc-port"]) == ("127.0.0.1", "9001")
    assert on_a_port["grpc-restricted-protocol"]


def test_triton_starts_empty_and_outlives_a_model_that_fails(layout: Layout):
    """What it loads is for the reconciler, which knows the same repositories."""
    repositories = [Path("/srv/a"), Path("/srv/b")]
    program = triton_program(of_checkout(layout, STATE), AT, ADDRESSES, repositories)
    options = options_of(program)
    assert (options["model-control-mode"], options["exit-on-error"]) == ("explicit", "false")
    assert [part for part in program.command if "model-repo" in str(part)] == [
        "--model-repository=/srv/a",
        "--model-repository=/srv/b",
    ]
    assert program.environment["MODEL_REPOSITORIES"] == "/srv/a:/srv/b"
    loads = reconciler_program(of_checkout(layout, STATE), AT, repositories)
    assert list(map(str, loads.command[1:])) == ["-m", "gateway.repository", "/srv/a", "/srv/b"]
    assert loads.environment["TRITON_GATEWAY_TRITON_URLS"] == AT.target
    assert loads.environment["TRITON_GATEWAY_STATE_DIR"] == "/state"


def test_every_backend_names_its_memory_as_we_do(layout: Layout):
    """So that what a killed one leaves is known to be ours."""
    command = triton(layout).command
    regions = [str(part) for part in command if "shm-region-prefix-name" in str(part)]
    assert regions == [
        f"--backend-config={name},shm-region-prefix-name={shared_memory.prefix()}"
        for name in ("python", "vllm_custom", "pytorch")
    ]


def test_tritons_environment_is_offline_and_its_own(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """The stub's Python comes first on PATH; what the user set for the cache is kept."""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/theirs")
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    environment = triton(layout).environment
    assert environment["PATH"].split(os.pathsep)[0] == str(layout.environment("pytorch") / "bin")
    assert environment["LD_LIBRARY_PATH"].split(os.pathsep)[0].startswith(str(layout.triton))
    assert environment["LD_LIBRARY_PATH"].endswith("/theirs")
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["VLLM_CPU_KVCACHE_SPACE"]) == ("", "1")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "5")
    assert triton(layout).environment["VLLM_CPU_KVCACHE_SPACE"] == "5"


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("1", "1"), ("0", "0")])
def test_the_user_may_allow_downloads(layout: Layout, monkeypatch: pytest.MonkeyPatch, given: str | None, used: str):
    """HF_HUB_OFFLINE=0 counts for `up` as for any other Triton; nothing is downloaded without it."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    if given is not None:
        monkeypatch.setenv("HF_HUB_OFFLINE", given)
    environment = triton(layout).environment
    assert (environment["HF_HUB_OFFLINE"], environment["TRANSFORMERS_OFFLINE"]) == (used, used)


@pytest.mark.parametrize(("cuda", "devices"), [(True, "0,1"), (False, "")])
def test_gpus_are_hidden_from_builds_for_the_cpu_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, cuda: bool, devices: str
):
    """Builds for CUDA see what the user lets them see."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    environment = triton(replace(layout, cuda=cuda)).environment
    assert environment["CUDA_VISIBLE_DEVICES"] == devices


@pytest.mark.parametrize(("given", "order"), [(None, "PCI_BUS_ID"), ("FASTEST_FIRST", "FASTEST_FIRST")])
def test_gpus_have_the_numbers_of_nvidia_smi(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, given: str | None, order: str
):
    """Unless the user wants CUDA's own."""
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_DEVICE_ORDER", given)
    assert triton(layout).environment["CUDA_DEVICE_ORDER"] == order


def test_the_gateway_is_told_where_triton_is(layout: Layout):
    """And where to listen, with how many workers; it runs in its own environment."""
    program = gateway_program(of_checkout(layout, STATE), Addresses("0.0.0.0", 8080), AT, 3)
    assert list(map(str, program.command)) == [str(layout.python("gateway")), "-m", "gateway"]
    told = {name: program.environment[f"TRITON_GATEWAY_{name}"] for name in ("HOST", "PORT", "WORKERS", "TRITON_URLS")}
    assert told == {"HOST": "0.0.0.0", "PORT": "8080", "WORKERS": "3", "TRITON_URLS": AT.target}


def test_all_end_within_the_time_that_is_promised(layout: Layout):
    """Fifteen seconds, with what killing takes."""
    programs = (triton(layout), reconciler(layout), gateway_program(of_checkout(layout, STATE), Addresses(), AT, 1))
    graces = [program.grace_s for program in programs]
    assert 0 < sum(graces) < 15


def test_relative_paths_in_the_settings_stay_valid(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The user wrote them where `up` was started; the package is found from there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for program in (reconciler(layout), gateway_program(of_checkout(layout, STATE), Addresses(), AT, 1)):
        assert program.folder == elsewhere
        assert program.environment["PYTHONPATH"].split(os.pathsep)[0] == str(layout.root)

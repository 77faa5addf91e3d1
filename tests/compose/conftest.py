"""The images, built once, and a stack for each Compose file. Needs root (for Docker's engine) and Debian's packages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from benchmarks.processes import free_ports
from gateway.cli.layout import find_layout
from tests.compose import images
from tests.compose.engine import Docker, engine
from tests.compose.stack import ROOT, Stack

HERE = Path(__file__).parent
USER = "54321:54321"
"""One that no passwd knows."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder are marked `compose`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.compose)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Generator[Docker]:
    """The engine that all tests of a run share."""
    folder = tmp_path_factory.mktemp("docker")
    with engine(folder) as docker:
        yield docker
        print(docker.log.read_text()[-20000:])


@pytest.fixture(scope="session")
def python_base(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    images.make_python_base(docker, tmp_path_factory.mktemp("base"))
    return images.PYTHON_BASE


@pytest.fixture(scope="session")
def builds(docker: Docker, python_base: str, request: pytest.FixtureRequest) -> Generator[dict[str, Future[str]]]:
    """The images that the chosen tests need, two at a time: a build seldom keeps more than one core busy."""
    makers = {
        "gateway_image": partial(_build_gateway, docker, python_base),
        "triton_cpu_image": partial(_build_triton_cpu, docker, python_base),
        "triton_image": partial(_build_triton, docker),
    }
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(make) for name, make in makers.items() if name in wanted}


def _build_gateway(docker: Docker, base: str) -> str:
    images.build(docker, ROOT, "gateway.Dockerfile", images.GATEWAY, PYTHON_IMAGE=base)
    return images.GATEWAY


def _build_triton_cpu(docker: Docker, base: str) -> str:
    images.build(docker, ROOT, "triton-cpu.Dockerfile", images.TRITON_CPU, PYTHON_IMAGE=base)
    return images.TRITON_CPU


def _build_triton(docker: Docker) -> str:
    folder = find_layout().cache / "compose-test"  # on the disk of what is linked into it
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        images.make_nvidia_base(docker, find_layout(), folder)
    finally:
        shutil.rmtree(folder)
    images.build(docker, ROOT, "triton.Dockerfile", images.TRITON, "triton", TRITON_IMAGE=images.NVIDIA_BASE)
    return images.TRITON


@pytest.fixture(scope="session")
def gateway_image(builds: dict[str, Future[str]]) -> str:
    return builds["gateway_image"].result()


@pytest.fixture(scope="session")
def triton_cpu_image(builds: dict[str, Future[str]]) -> str:
    return builds["triton_cpu_image"].result()


@pytest.fixture(scope="session")
def triton_image(builds: dict[str, Future[str]]) -> str:
    return builds["triton_image"].result()


@pytest.fixture(scope="session")
def cpu_stack(docker: Docker, gateway_image: str, triton_cpu_image: str) -> Generator[Stack]:
    """compose.cpu.yaml as a new user brings it up: the demonstration models, on a real engine, no variable set."""
    variables = {"GATEWAY_IMAGE": gateway_image, "TRITON_CPU_IMAGE": triton_cpu_image}
    yield from _up(Stack(docker, "tgt-cpu", (ROOT / "compose.cpu.yaml",), variables, free_ports(1)[0]))


@pytest.fixture(scope="session")
def gpu_stack(
    docker: Docker, gateway_image: str, triton_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Stack]:
    """compose.yaml without its GPU, as a user of its own, with keys and models from the host."""
    folder = tmp_path_factory.mktemp("host")
    keys = folder / "keys.txt"
    keys.write_bytes(b"\xef\xbb\xbfsk-of-the-test\r\n")
    keys.chmod(0o600)
    os.chown(keys, *map(int, USER.split(":")))
    variables = {
        "GATEWAY_IMAGE": gateway_image,
        "TRITON_SERVER_IMAGE": triton_image,
        "CONTAINER_USER": USER,
        "MODELS": str(make_models(folder / "models")),
        "API_KEYS_FILE": str(keys),
        "GATEWAY_ADDRESS": "0.0.0.0",
    }
    files = (ROOT / "compose.yaml", HERE / "no-gpu.yaml")
    yield from _up(Stack(docker, "tgt-gpu", files, variables, free_ports(1)[0]))


def _up(stack: Stack) -> Generator[Stack]:
    try:
        print(f"{stack.project}: healthy after {stack.up():.0f} s")
        yield stack
    finally:
        stack.down()


def make_models(repository: Path) -> Path:
    """A language model of the replay engine, and the classifiers of the checkout with their weights."""
    layout = find_layout()
    for name in ("all-minilm-l6-v2", "moderation"):
        shutil.copytree(layout.models / name, repository / name / "1", ignore=shutil.ignore_patterns(".stamp"))
        shutil.copyfile(layout.model_repository / name / "config.pbtxt", repository / name / "config.pbtxt")
    chat = repository / "replayed" / "1"
    chat.mkdir(parents=True)
    (chat.parent / "config.pbtxt").write_text(
        'backend: "vllm_custom"\ninstance_group [ { kind: KIND_MODEL count: 1 } ]\n'
    )
    shutil.copytree(
        layout.models / "smollm2-135m-instruct",
        chat / "weights",
        ignore=shutil.ignore_patterns("*.safetensors", ".stamp"),
    )
    shutil.copyfile(HERE / "replay.json", chat / "model.json")
    for path in [repository, *repository.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return repository

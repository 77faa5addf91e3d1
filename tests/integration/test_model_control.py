"""Models come, go and fail while the real Triton serves, and nobody but its user has a say in it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.processes import free_ports, running, wait_for
from gateway import defaults
from gateway.cli.installation import of_checkout
from gateway.cli.layout import find_layout
from gateway.cli.supervise.endpoint import Endpoint, on_port, on_socket
from gateway.cli.supervise.programs import Addresses, triton_program
from tests.integration.conftest import EMBEDDING_MODEL, ROOT, System

SOON_S = 30.0
CONFIG = """backend: "python"
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
"""
MODEL = """class TritonPythonModel:
    def initialize(self, args):
        raise ValueError("the weights of guest are not there")
    def execute(self, requests):
        return []
"""
KILLED_ONCE = """import os, signal
class TritonPythonModel:
    def initialize(self, args):
        if not os.path.exists({mark!r}):
            open({mark!r}, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    def execute(self, requests):
        return []
"""
LOAD = """
import json, sys, tritonclient.grpc as grpc
client = grpc.InferenceServerClient(sys.argv[1])
model = b"open(%r, 'w').close()\\nclass TritonPythonModel:\\n    def execute(self, requests): return []\\n" % sys.argv[2]
client.load_model("mine", config='{"backend": "python"}', files={"file:1/model.py": model}, headers=json.loads(sys.argv[3]))
"""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.2)


def command(system: System, *arguments: str) -> str:
    """What `triton-gateway` prints."""
    environment = dict(os.environ) | {"TRITON_GATEWAY_STATE_DIR": str(system.state)}
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def states(system: System) -> dict[str, str]:
    """The line of `triton-gateway models` for each model."""
    lines = command(system, "models").splitlines()
    return {line.split()[0]: line for line in lines}


@pytest.fixture
def guest(system: System) -> Generator[Path, None, None]:
    """A model that fails to load, put beside those that serve; taken away afterwards."""
    folder = system.repository / "guest"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.py").write_text(MODEL)
    yield folder
    shutil.rmtree(folder)
    until(lambda: not system.members("/guest/1/"), "the end of the guest's process")


def test_a_failing_model_is_named_and_comes_up_when_it_is_mended(system: System, guest: Path) -> None:
    """Within seconds, with its own words, while the others serve; and without a restart of Triton."""
    triton = [process.pid for process in system.members("tritonserver")]
    until(lambda: "The model guest is not loaded" in system.log.read_text(), "a word about it")
    assert "the weights of guest are not there" in system.log.read_text()
    assert "the weights of guest are not there" in states(system)["guest"]
    assert "`assets`, which serves its files, is not loaded" not in (find_layout().logs / "gateway.log").read_text()
    answer = httpx.post(f"{system.url}/v1/embeddings", json={"model": EMBEDDING_MODEL, "input": "hello"}, timeout=60)
    assert answer.status_code == 200
    (guest / "1" / "model.py").write_text(MODEL.replace('raise ValueError("', 'print("'))
    until(lambda: "READY" in states(system)["guest"], "the mended model")
    assert system.readiness() == 200
    assert [process.pid for process in system.members("tritonserver")] == triton


def test_a_model_whose_process_is_killed_while_it_loads_comes_up_by_itself(system: System, guest: Path) -> None:
    """Nobody has to touch it. A load that fails later leaves what serves, and Triton, as they are."""
    triton = [process.pid for process in system.members("tritonserver")]
    model = guest / "1" / "model.py"
    model.write_text(KILLED_ONCE.format(mark=str(system.folder / "was killed")))
    until(lambda: "it is tried again in 5 s" in system.log.read_text(), "a word about the kill")
    assert "The model guest is not loaded: Internal: Stub process 'guest_0" in system.log.read_text()
    until(lambda: "READY" in states(system)["guest"], "the second try")
    model.write_text(MODEL)
    command(system, "load", "guest")
    until(lambda: "The model guest stays as it was loaded before" in system.log.read_text(), "a word about the load")
    assert "READY" in states(system)["guest"]
    assert [process.pid for process in system.members("tritonserver")] == triton


def test_a_classifier_that_is_loaded_anew_is_read_anew(system: System) -> None:
    """Its labels are read by the gateway alone, and Triton says all the time that it is ready."""
    labels = ROOT / "model_repository" / "moderation" / "1" / "labels.json"
    made = labels.readlink()
    content = json.loads(labels.read_text())
    try:
        labels.unlink()
        labels.write_text(json.dumps({**content, "threshold": 0.0}))
        assert not flagged(system)
        command(system, "load", "moderation")
        until(lambda: flagged(system), "the new threshold")
    finally:
        labels.unlink()
        labels.symlink_to(made)
    command(system, "load", "moderation")
    until(lambda: not flagged(system), "the old threshold")


def flagged(system: System) -> bool:
    """Whether a harmless text is."""
    answer = httpx.post(f"{system.url}/v1/moderations", json={"input": "have a lovely day"}, timeout=60)
    return answer.json()["results"][0]["flagged"]


def test_an_unloaded_model_is_gone_until_it_is_loaded(system: System) -> None:
    """Triton is not restarted for the process that ends with it, and all others serve on."""
    triton = [process.pid for process in system.members("tritonserver")]
    command(system, "unload", EMBEDDING_MODEL)
    until(lambda: "READY" not in states(system)[EMBEDDING_MODEL], "the unload")
    body = {"model": EMBEDDING_MODEL, "input": "hello"}
    until(lambda: httpx.post(f"{system.url}/v1/embeddings", json=body, timeout=60).status_code == 404, "a 404")
    moderation = httpx.post(f"{system.url}/v1/moderations", json={"input": "hello"}, timeout=60)
    assert (moderation.status_code, system.readiness()) == (200, 200)
    time.sleep(3)  # longer than the supervisor waits for Triton's word on a process that ended
    assert [process.pid for process in system.members("tritonserver")] == triton
    command(system, "load", EMBEDDING_MODEL)
    until(lambda: "READY" in states(system)[EMBEDDING_MODEL], "the load")
    until(lambda: httpx.post(f"{system.url}/v1/embeddings", json=body, timeout=60).status_code == 200, "an embedding")
    assert [process.pid for process in system.members("tritonserver")] == triton


@contextmanager
def triton_without_models(at: Endpoint, folder: Path) -> Generator[None, None, None]:
    """As `up` starts it."""
    [metrics_port] = free_ports(1)
    (folder / "repository").mkdir()
    program = triton_program(
        of_checkout(find_layout(), defaults.state_dir()),
        at,
        Addresses(triton_metrics_port=metrics_port),
        [folder / "repository"],
    )
    with running("triton", program.command, folder, environment=program.environment) as started:
        log = folder / "triton.log"
        wait_for(lambda: "Started GRPCInferenceService" in log.read_text(), [started], SOON_S)
        yield
        started.stop()


def load_with_code(at: Endpoint, mark: Path, secret: str | None) -> subprocess.CompletedProcess[str]:
    """Ask Triton to load a model whose code comes with the request, and makes a file."""
    headers = {"triton-grpc-protocol-gateway-secret": secret} if secret else {}
    arguments = [find_layout().python("gateway"), "-c", LOAD, at.target, str(mark), json.dumps(headers)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=SOON_S)


def test_a_port_refuses_code_without_the_secret(tmp_path: Path) -> None:
    """With `file:` a load runs what the caller sends: with the secret it does, so it is the secret that is missing."""
    [port] = free_ports(1)
    at = on_port(port)
    with triton_without_models(at, tmp_path):
        for secret in (None, "wrong"):
            refused = load_with_code(at, tmp_path / "it ran", secret)
            assert "This protocol is restricted" in refused.stderr
            assert not (tmp_path / "it ran").exists()
        done = load_with_code(at, tmp_path / "it ran", at.secret)
        assert (done.returncode, (tmp_path / "it ran").exists()) == (0, True)


def test_a_socket_lets_only_its_user_in(tmp_path: Path) -> None:
    """Another user does not come through the folder; where the test may become one, it tries."""
    with on_socket() as at, triton_without_models(at, tmp_path):
        path = Path(at.target.removeprefix("unix:"))
        assert path.is_socket()
        assert path.parent.stat().st_mode & 0o077 == 0
        assert connects(path)
        if os.geteuid() == 0:
            assert not connects(path, as_user=65534)
        done = load_with_code(at, tmp_path / "it ran", None)
        assert (done.returncode, (tmp_path / "it ran").exists()) == (0, True)


def connects(path: Path, *, as_user: int | None = None) -> bool:
    """Whether a process, of another user if one is given, reaches the socket."""
    child = os.fork()
    if child == 0:
        try:
            if as_user is not None:
                os.setgroups([])
                os.setgid(as_user)
                os.setuid(as_user)
            socket.socket(socket.AF_UNIX).connect(str(path))
        except PermissionError:
            os._exit(13)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 13)
    return status == 0

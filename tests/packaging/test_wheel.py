"""The wheel in an empty environment of each supported Python, used from outside the checkout."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.cli.choose_python import MINORS
from gateway.version import VERSION
from tests.fakes.openai import chat
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, FakeTriton

pytestmark = [pytest.mark.package, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = re.compile(r"^[\w.-]+==\S+", re.MULTILINE)
READY_WITHIN_S = 60


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a build leaves folders behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("gateway", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    target = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", target, source], cwd=target)
    [built] = target.glob("*.whl")
    return built


@pytest.fixture(scope="session", params=MINORS, ids=lambda minor: f"3.{minor}")
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel and what it asks for, in the locked versions."""
    minor: int = request.param
    python = _find_python(minor)
    folder = tmp_path_factory.mktemp(f"py3{minor}")
    _run([python, "-m", "venv", folder / "env"], cwd=folder)
    constraints = folder / "constraints.txt"
    lock = (ROOT / "requirements" / f"gateway-py3{minor}.txt").read_text(encoding="utf-8")
    constraints.write_text("\n".join(PACKAGES.findall(lock)), encoding="utf-8")
    pip = [folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel]
    _run(pip, cwd=folder)
    return folder / "env" / "bin"


def _find_python(minor: int) -> str:
    """On PATH, or among pyenv's, whose shims hide those that are not chosen."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (f"python3.{minor}", *sorted(pyenv.glob(f"3.{minor}.*/bin/python3.{minor}"))):
        try:
            asked = [candidate, "-c", "import sys; print(sys.executable)"]
            found = subprocess.run(asked, capture_output=True, text=True, check=True, env=_clean())
        except (OSError, subprocess.CalledProcessError):
            continue
        return found.stdout.strip()
    pytest.skip(f"there is no Python 3.{minor} on this machine")


def _run(command: list[str | Path], *, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=_clean())
    assert done.returncode == 0, done.stderr
    return done.stdout


def _clean() -> dict[str, str]:
    """Without what the tests' own environment says of Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


@contextmanager
def _serving(program: Path, triton: FakeTriton, folder: Path) -> Generator[str, None, None]:
    port = 18000 + os.getpid() % 1000
    command = [program, "serve", "--triton", f"grpc://{triton.address}", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=_clean(), stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (folder / "log").read_text()


def test_wheel_holds_the_gateway_alone(wheel: Path) -> None:
    """All of its modules, the mark of its types, and nothing of the checkout besides."""
    names = zipfile.ZipFile(wheel).namelist()
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "gateway").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    assert "gateway/py.typed" in names
    assert all(name.startswith(("gateway/", f"triton_gateway-{VERSION}.dist-info/")) for name in names)


def test_dependencies_are_complete(installed: Path) -> None:
    """What is installed agrees, and every module can be imported with it."""
    _run([installed / "python", "-m", "pip", "check"], cwd=installed)
    program = (
        "import importlib, pkgutil, gateway\n"
        "for module in pkgutil.walk_packages(gateway.__path__, 'gateway.'):\n"
        "    if not module.name.startswith(('gateway.cli.prepare', 'gateway.cli.leash')):\n"
        "        importlib.import_module(module.name)\n"
    )
    _run([installed / "python", "-W", "error", "-c", program], cwd=installed)


def test_installed_gateway_answers_a_chat(installed: Path, tmp_path: Path) -> None:
    """By `serve` alone, in another folder than the checkout's, and ends at SIGTERM."""
    with FakeTriton() as triton, _serving(installed / "triton-gateway", triton, tmp_path) as url:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        answer = httpx.post(f"{url}/v1/chat/completions", json=chat())
        assert answer.json()["choices"][0]["message"]["content"] == "Hello world."


def test_commands_that_need_no_checkout(installed: Path, tmp_path: Path) -> None:
    """`--version`, `models` and `doctor --triton`."""
    program = installed / "triton-gateway"
    assert _run([program, "--version"], cwd=tmp_path).strip() == f"triton-gateway {VERSION}"
    with FakeTriton() as triton:
        listed = _run([program, "models", "--triton", triton.address], cwd=tmp_path)
        checked = _run([program, "doctor", "--triton", triton.address], cwd=tmp_path)
    assert re.search(rf"^{CHAT_MODEL} +\d+ +generating +READY$", listed, re.MULTILINE)
    assert re.search(rf"^{EMBEDDING_MODEL} +\d+ +embedding +READY$", listed, re.MULTILINE)
    assert f"ok    {CHAT_MODEL}: generating" in checked


@pytest.mark.parametrize("command", ["up", "setup"])
def test_commands_that_need_a_checkout_say_so(installed: Path, tmp_path: Path, command: str) -> None:
    """In a sentence, with what to do instead, and without having made anything."""
    done = subprocess.run(
        [installed / "triton-gateway", command], cwd=tmp_path, capture_output=True, text=True, check=False, env=_clean()
    )
    assert done.returncode == 1
    assert "from a checkout" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []

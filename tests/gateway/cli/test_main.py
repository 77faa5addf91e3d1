"""Twin of gateway/cli/main.py."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main as module
from gateway.cli.layout import Layout
from gateway.cli.main import main
from gateway.cli.up import UpOptions
from tests.gateway.cli.gpus import recorded

ROOT = Path(__file__).resolve().parents[3]


def test_a_port_in_use_is_told_at_once(capsys: pytest.CaptureFixture[str]):
    """Before the set-up, which takes minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert main(["up", "--port", str(server.getsockname()[1])]) == 1
    assert "make up PORT=" in capsys.readouterr().err


def test_options_come_before_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`up` listens where the settings file says, unless an option says otherwise, and keeps its state there."""
    file = tmp_path / "gateway.toml"
    file.write_text('port = 9000\nworkers = 2\nhost = "10.0.0.5"\nstate_dir = "/var/lib/gateway"\n')
    monkeypatch.setenv("TRITON_GATEWAY_CONFIG_FILE", str(file))
    asked: list[UpOptions] = []
    monkeypatch.setattr(module, "up", lambda _layout, options, _stop: asked.append(options))
    monkeypatch.setattr(module, "stop_on_signals", lambda: None)
    assert main(["up"]) == main(["up", "--port", "9001", "--workers", "1"]) == 0
    assert [(up.addresses.host, up.addresses.port, up.workers) for up in asked] == [
        ("10.0.0.5", 9000, 2),
        ("10.0.0.5", 9001, 1),
    ]
    assert {up.state_dir for up in asked} == {Path("/var/lib/gateway")}


def test_a_settings_file_that_is_not_there_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Before anything is done."""
    monkeypatch.setenv("TRITON_GATEWAY_CONFIG_FILE", "/nowhere.toml")
    assert main(["up"]) == 1
    assert "/nowhere.toml" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """And an exit status, wherever it happens."""

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/x/y")

    monkeypatch.setattr(module, "set_up", fail)
    assert main(["setup"]) == 1
    assert capsys.readouterr().err.startswith("/x/y: Permission denied.\n  Fix: ")


def test_a_reader_that_leaves_is_no_error():
    """`doctor | head` ends without a word."""
    command = [sys.executable, "-m", "gateway.cli", "doctor", "--port", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_only_the_standard_library_is_needed():
    """It runs before any environment exists: no site-packages, no third-party import."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import gateway.cli.main"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


@pytest.mark.parametrize(
    ("options", "mask", "cuda"),
    [([], None, True), ([], "", False), (["--gpu", "0"], None, False), (["--gpu", "1"], "", True)],
)
def test_gpu_is_used_where_there_is_one(
    options: list[str], mask: str | None, cuda: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Unless it is hidden, or the option says otherwise; ready environments are handed on."""
    recorded.install(tmp_path, "h100.csv")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if mask is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    asked: list[Layout] = []

    def doctor(layout: Layout, *_: object) -> bool:
        asked.append(layout)
        return True

    monkeypatch.setattr("gateway.cli.main.doctor", doctor)
    assert main(["doctor", *options, "--vllm-environment", str(tmp_path)]) == 0
    assert [(layout.cuda, dict(layout.ready)) for layout in asked] == [(cuda, {"vllm_custom": tmp_path})]

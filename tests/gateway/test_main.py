"""`python -m gateway` with wrong settings: a sentence and the exit status 2, before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.settings import ENV_PREFIX


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "many", "TRITON_GATEWAY_PORT"),
        ("WORKERS", "0", "TRITON_GATEWAY_WORKERS"),
        ("CONFIG_FILE", "nowhere.toml", "there is no file nowhere.toml"),
        ("API_KEYS_FILE", "nowhere.keys", "nowhere.keys"),
        ("API_KEYS", "sha256:5", "API key 1"),
        ("API_KEYS", "a,b,a", "API key 3 and API key 1 are the same key"),
        ("KEYS", '[{"name": "a"}]', "TRITON_GATEWAY_KEYS (or keys[0].key in the file): Field required"),
        ("KEYS", "sk-1,sk-2", 'error parsing value for field "keys"'),
        ("PROT", "8000", "TRITON_GATEWAY_PROT is no setting of the gateway; did you mean TRITON_GATEWAY_PORT?"),
        ("SERVICE_HOST", "10.0.0.1", "enableServiceLinks: false"),
        ("TRITON_URLS", "http://localhost:8000", "is no gRPC address: write host:port"),
        ("RUNTIME_DIR", "/proc/nowhere", "name a writable one: TMPDIR=…, or TRITON_GATEWAY_RUNTIME_DIR=…"),
        ("HOST", "host.invalid", "cannot listen on host.invalid, port 8000"),
        ("ALIASES", "a=b,b=c", "TRITON_GATEWAY_ALIASES (or aliases in the file): 'a' stands for 'b'"),
    ],
)
def test_wrong_setting_ends_the_start(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The message names the setting or the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ENV_PREFIX + name, value)
    assert main() == 2
    assert said in capsys.readouterr().err


def test_wrong_toml_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What is not TOML at all; the file is named."""
    file = tmp_path / "gateway.toml"
    file.write_text("port =")
    monkeypatch.setenv(f"{ENV_PREFIX}CONFIG_FILE", str(file))
    assert main() == 2
    assert str(file) in capsys.readouterr().err


def test_wrong_value_in_the_file_names_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Beside the variable that would override it."""
    file = tmp_path / "gateway.toml"
    file.write_text('port = "many"')
    monkeypatch.setenv(f"{ENV_PREFIX}CONFIG_FILE", str(file))
    assert main() == 2
    assert f"TRITON_GATEWAY_PORT (or port in {file}): " in capsys.readouterr().err


def test_wrong_authorities_end_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where images are fetched; nothing else in the gateway asks for certificates."""
    monkeypatch.setenv(f"{ENV_PREFIX}IMAGE_HOSTS", "images.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    assert main() == 2
    assert "SSL_CERT_FILE is " in capsys.readouterr().err

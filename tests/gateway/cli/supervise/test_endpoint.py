"""Twin of gateway/cli/supervise/endpoint.py; that Triton listens there is for tests/integration."""

import os
import stat
from pathlib import Path

import pytest

from gateway.cli.supervise import endpoint
from gateway.cli.supervise.endpoint import Running, on_port, on_socket, published, read_published


def test_a_socket_is_for_its_user_alone():
    """Its folder can't be entered by others, and is gone afterwards."""
    with on_socket() as at:
        socket = Path(at.options["grpc-address"].removeprefix("unix:"))
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert at.settings == {"TRITON_GATEWAY_TRITON_URLS": f"unix:{socket}:0"}
    assert not socket.parent.exists()


def test_a_long_temporary_folder_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The path of a socket has 107 bytes."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(endpoint.tempfile, "gettempdir", lambda: str(long))
    with on_socket() as at:
        assert len(os.fsencode(at.target.removeprefix("unix:"))) <= 107
        assert not at.target.startswith(f"unix:{long}")
    assert list(long.iterdir()) == []


def test_a_port_wants_a_secret_for_what_manages_models():
    """A new one each time; it is in no representation."""
    first, second = on_port(9001), on_port(9001)
    assert first.options["grpc-address"] == "127.0.0.1"
    locked, _, key = first.options["grpc-restricted-protocol"].partition(":")
    assert set(locked.split(",")) == {"model-repository", "shared-memory", "logging", "trace"}
    assert key == f"gateway-secret={first.secret}"
    assert first.secret
    assert first.secret != second.secret
    assert first.secret not in repr(first)
    assert first.settings["TRITON_GATEWAY_TRITON_REPOSITORY_SECRET"] == first.secret


def test_what_runs_is_published_for_its_user_as_long_as_it_runs(tmp_path: Path):
    """Others may not read it: it may have the secret."""
    path = tmp_path / "cache" / "running.json"
    running = Running({"A": "b"}, ("/models",))
    assert read_published(path) is None
    with published(path, running):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_published(path) == running
    assert read_published(path) is None


def test_the_one_that_was_started_last_stays_published(tmp_path: Path):
    """When the earlier one ends."""
    path = tmp_path / "running.json"
    with published(path, Running({}, ("/first",))):
        later = published(path, Running({}, ("/second",)))
        later.__enter__()
    assert read_published(path) == Running({}, ("/second",))
    later.__exit__(None, None, None)

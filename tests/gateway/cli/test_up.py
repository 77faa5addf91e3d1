"""Twin of gateway/cli/up.py; that it serves is for tests/integration/test_service.py."""

import json
import shlex
import socket
import threading
from pathlib import Path

import pytest

from gateway.cli import up as module
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.supervise.programs import Addresses
from gateway.cli.up import UpOptions, try_it, up

URL = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("models", "model"),
    [
        (["embedder", "smollm2-instruct", "other-chat"], "smollm2-instruct"),
        (["embedder", "other-chat"], "other-chat"),
        (["embedder"], "embedder"),
        ([], "smollm2-135m-instruct"),
    ],
)
def test_the_line_to_try_asks_a_model_that_chats(models: list[str], model: str):
    """Where one is known by its name; the line is one that a shell can read."""
    command = shlex.split(try_it(URL, models))
    assert command[:3] == ["curl", "-N", f"{URL}/v1/chat/completions"]
    body = json.loads(command[command.index("-d") + 1])
    assert (body["model"], body["stream"]) == (model, True)
    assert not any("Authorization" in part for part in command)


def test_a_gateway_with_keys_is_tried_with_one():
    """Its models are not told without."""
    assert 'Authorization: Bearer $KEY"' in try_it(URL, None)


@pytest.mark.parametrize("name", ["PORT", "TRITON_GRPC_PORT", "TRITON_METRICS_PORT"])
def test_a_port_in_use_stops_it_before_the_set_up(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whichever of the three; it says how to choose another."""
    monkeypatch.setattr(module, "set_up", lambda *_: pytest.fail("the set-up takes minutes"))
    ports = {}
    with socket.create_server(("127.0.0.1", 0)) as server:
        for each in ("PORT", "TRITON_GRPC_PORT", "TRITON_METRICS_PORT"):
            ports[each] = server.getsockname()[1] if each == name else free_port()
        addresses = Addresses("127.0.0.1", *ports.values())
        with pytest.raises(Problem) as caught:
            up(Layout(tmp_path), UpOptions(addresses), threading.Event())
    assert f"{name}=" in caught.value.fix


def test_a_checkout_at_an_odd_path_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a space in the path, all models hung for ten minutes."""
    monkeypatch.setattr(module, "set_up", lambda *_: pytest.fail("the set-up takes minutes"))
    with pytest.raises(Problem, match="The checkout is at"):
        up(Layout(tmp_path / "a b"), UpOptions(Addresses()), threading.Event())


def free_port() -> int:
    """One that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]

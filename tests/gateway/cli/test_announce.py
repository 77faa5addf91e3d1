"""Twin of gateway/cli/announce.py."""

import json
import shlex
from pathlib import Path

import httpx
import pytest

from gateway.cli.announce import announce, try_it
from gateway.cli.layout import find_layout
from gateway.cli.supervise.endpoint import Endpoint
from gateway.cli.supervise.programs import Addresses
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, FakeTriton

URL = "http://127.0.0.1:8000"
LOGS = Path("/logs")
HOST = "127.0.0.1"
CHATS, COMPLETES, EMBEDS, JUDGES = ("chat", "complete"), ("complete",), ("embed",), ("moderate",)


@pytest.mark.parametrize(
    ("abilities", "model", "path"),
    [
        ({"e": EMBEDS, "c": COMPLETES, "llm": CHATS, "other": CHATS}, "llm", "/v1/chat/completions"),
        ({"e": EMBEDS, "c": COMPLETES}, "c", "/v1/completions"),
        ({"m": JUDGES, "e": EMBEDS}, "e", "/v1/embeddings"),
        ({"m": JUDGES}, "m", "/v1/moderations"),
        ({"r": ("classify", "score")}, "r", "/classify"),
        ({"r": ("score",)}, "r", "/v1/score"),
    ],
)
def test_the_line_to_try_fits_the_models(abilities: dict[str, tuple[str, ...]], model: str, path: str):
    """One that chats is asked first; the line is one that a shell can read."""
    command = shlex.split(try_it(URL, abilities, with_key=False) or "")
    assert command[:3] == ["curl", "-N", f"{URL}{path}"]
    assert json.loads(command[command.index("-d") + 1])["model"] == model
    assert not any("Authorization" in part for part in command)


def test_without_a_model_that_can_anything_there_is_no_line():
    """A request that fails would be worse."""
    assert try_it(URL, {}, with_key=False) is None
    assert try_it(URL, {"assets": ()}, with_key=False) is None


def test_a_gateway_with_keys_is_tried_with_one():
    """Its models are not told without."""
    assert 'Authorization: Bearer $KEY"' in (try_it(URL, {"llm": CHATS}, with_key=True) or "")


@pytest.mark.parametrize("model", [CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL])
def test_the_line_to_try_is_answered(model: str, capsys: pytest.CaptureFixture[str]):
    """By a gateway that has this model alone."""
    with FakeTriton() as triton:
        triton.ready = [model, "assets"]
        with running_gateway(triton_urls=(triton.address,)) as gateway:
            gateway.wait_ready()
            announce(find_layout(), Addresses(HOST, port_of(gateway)), Endpoint({}, triton.address), LOGS, 3.0)
            said = capsys.readouterr().out
            assert f"Models: {model}\n" in said
            [line] = [line for line in said.splitlines() if "curl" in line]
            command = shlex.split(line)
            answer = httpx.post(command[2], json=json.loads(command[-1]))
            assert answer.status_code == 200


def port_of(gateway: RunningGateway) -> int:
    return httpx.URL(gateway.url).port or 0


def test_a_triton_that_does_not_answer_is_announced_without_an_example(capsys: pytest.CaptureFixture[str]):
    """The gateway is ready all the same."""
    with FakeTriton() as triton, running_gateway(triton_urls=(triton.address,)) as gateway:
        gateway.wait_ready()
        announce(find_layout(), Addresses(HOST, port_of(gateway)), Endpoint({}, f"{HOST}:1"), LOGS, 3.0)
    said = capsys.readouterr().out
    assert "Ready after 3 s" in said
    assert "curl" not in said

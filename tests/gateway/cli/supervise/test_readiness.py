"""Twin of gateway/cli/supervise/readiness.py: a small server stands in for the gateway."""

import json
import socket
import threading
from collections.abc import Generator

import pytest

from gateway.cli.supervise import readiness
from gateway.cli.supervise.readiness import Prober, ProbeResult, State
from tests.fakes.answers import Answers, answering

HOST = "127.0.0.1"
LIMIT_S = 10.0


@pytest.fixture
def port() -> Generator[int, None, None]:
    """Where it listens."""
    with answering() as port:
        yield port


def report(**ages: float | None) -> bytes:
    """What /readyz says of models by the age of their last success; 0 is ready."""
    models = {
        name: {"ready": age == 0, "state": "ready" if age == 0 else "not_ready", "last_success_s_ago": age}
        for name, age in ages.items()
    }
    return json.dumps({"models": models}).encode()


BROKEN = b'{"models": {"llm": {"ready": false, "state": "not_servable", "last_success_s_ago": null}}}'
LOADING = b'{"models": {"llm": {"ready": false, "state": "loading", "last_success_s_ago": null}}}'


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, report(m=0), ProbeResult(State.READY)),
        (200, LOADING, ProbeResult(State.READY, awaited=("llm",))),
        (200, b"<html>", ProbeResult(State.READY)),
        (
            503,
            report(a=0, b=None, c=42.4),
            ProbeResult(State.UNREADY, "b has not answered yet, c has not answered for 42 s"),
        ),
        (503, report(), ProbeResult(State.UNREADY, "no model is served", curable=False)),
        (503, BROKEN, ProbeResult(State.UNREADY, "llm has not answered yet", curable=False)),
        (404, b"", ProbeResult(State.UNREADY, "an empty answer")),
        (500, b"broken", ProbeResult(State.UNREADY, "broken")),
        (500, b"[]", ProbeResult(State.UNREADY, "[]")),
        (200, b'{"models": [5]}', ProbeResult(State.READY)),
        (500, b'{"models": {"m": 5}}', ProbeResult(State.UNREADY, '{"models": {"m": 5}}')),
        (500, b'{"models": {"m": {}}}', ProbeResult(State.UNREADY, "m has not answered yet", curable=False)),
    ],
    ids=["ready", "awaited", "other", "models", "none", "broken", "empty", "text", "list", "foreign", "odd", "bare"],
)
def test_the_gateways_words_are_the_reason(port: int, status: int, body: bytes, answer: ProbeResult):
    """Or whatever answers in its place."""
    Answers.by_path = {"/readyz": (status, body)}
    assert readiness.ask(HOST, port) == answer


def test_nobody_there_is_unreachable():
    """And it says why."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    answer = readiness.ask(HOST, port)
    assert answer.state is State.UNREACHABLE
    assert answer.reason


def test_somebody_who_does_not_speak_is_unreachable():
    """Within the time that was given."""
    with socket.create_server((HOST, 0)) as mute:
        assert readiness.ask(HOST, mute.getsockname()[1], timeout=0.05).state is State.UNREACHABLE


def test_no_proxy_is_asked(port: int, monkeypatch: pytest.MonkeyPatch):
    """Whatever the environment names."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    Answers.by_path = {"/livez": (200, b"{}")}
    assert readiness.get(HOST, port, "/livez") == (200, b"{}")


@pytest.mark.parametrize(
    ("status", "body", "models"),
    [(200, b'{"data": [{"id": "a"}, {"id": "b"}]}', ["a", "b"]), (200, b'{"data": []}', []), (401, b"{}", None)],
)
def test_models_are_named_unless_a_key_is_asked_for(port: int, status: int, body: bytes, models: list[str] | None):
    """None is another thing than no models."""
    Answers.by_path = {"/v1/models": (status, body)}
    assert readiness.served_models(HOST, port) == models


def test_the_prober_has_the_latest_answer():
    """It begins when it is started, and asks no more when it is stopped."""
    asked: list[int] = []
    twice = threading.Event()

    def question() -> ProbeResult:
        asked.append(len(asked))
        if len(asked) == 3:
            twice.set()
        return ProbeResult(State.UNREADY, str(len(asked)))

    prober = Prober(question, interval=0.0)
    assert prober.latest == ProbeResult(State.UNREACHABLE, "not asked yet")
    assert asked == []
    prober.start()
    assert twice.wait(LIMIT_S)
    prober.stop()
    assert prober.latest.state is State.UNREADY

"""Processes die. What was promised to a client is kept or broken in the open, and the supervisor brings it all back."""

from __future__ import annotations

import json
import time

import httpx
import openai
import psutil

from tests.integration.conftest import CHAT_MODEL, System

STREAM = {
    "model": CHAT_MODEL,
    "messages": [{"role": "user", "content": "Tell me a very long story."}],
    "max_tokens": 4000,
    "stream": True,
    "ignore_eos": True,
}


def _events_around_kill(system: System, victim: psutil.Process) -> list[str]:
    """The data of all events of a stream during which the process is killed."""
    events: list[str] = []
    with httpx.stream("POST", f"{system.url}/v1/chat/completions", json=STREAM, timeout=60) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            if not line.startswith("data: "):
                continue
            events.append(line.removeprefix("data: "))
            if len(events) == 5:
                victim.kill()
    return events


def _gone(processes: list[psutil.Process], limit_s: float) -> None:
    _, alive = psutil.wait_procs(processes, timeout=limit_s)
    assert not alive


def test_killed_tritonserver_is_restarted(system: System, client: openai.OpenAI) -> None:
    """The stream in flight gets one error event and no [DONE]; new requests a 503 with Retry-After; then all is well."""
    [server] = _servers(system)
    family = server.children(recursive=True)
    events = _events_around_kill(system, server)
    assert "[DONE]" not in events
    assert [json.loads(event) for event in events if "error" in json.loads(event)] == [json.loads(events[-1])]
    assert json.loads(events[-1])["error"]["code"] == "backend_unavailable"
    refused = httpx.post(f"{system.url}/v1/chat/completions", json={**STREAM, "stream": False}, timeout=60)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    _gone(family, 30)
    print(f"ready again after {_ready_again(system, server.pid):.0f} s")
    assert client.chat.completions.create(
        model=CHAT_MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=2
    ).choices


def test_killed_engine_is_started_again_in_place(system: System) -> None:
    """The backend starts another engine itself: Triton and the other models keep serving."""
    [server] = _servers(system)
    [engine] = system.members("VLLM::EngineCore")
    engine.kill()
    _gone([engine], 30)
    moderation = httpx.post(f"{system.url}/v1/moderations", json={"input": "hello"}, timeout=60)
    assert moderation.status_code == 200
    started = time.monotonic()
    while time.monotonic() - started < 200 and not _chats(system):
        time.sleep(0.5)
    print(f"answers again after {time.monotonic() - started:.0f} s")
    assert _chats(system)
    assert [process.pid for process in _servers(system)] == [server.pid]


def test_killed_stub_leaves_no_engine(system: System, client: openai.OpenAI) -> None:
    """With the process of the model its engine ends too, and Triton, which would not notice, is restarted."""
    [server] = _servers(system)
    [engine] = system.members("VLLM::EngineCore")
    stub = engine.parent()
    assert stub is not None
    stub.kill()
    _gone([engine], 30)
    print(f"ready again after {_ready_again(system, server.pid):.0f} s")
    assert client.chat.completions.create(
        model=CHAT_MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=2
    ).choices


def _servers(system: System) -> list[psutil.Process]:
    return [process for process in system.members("tritonserver") if process.name() == "tritonserver"]


def _ready_again(system: System, old_pid: int) -> float:
    """Until another Triton than that one answers; how long that took, in seconds."""
    started = time.monotonic()
    while time.monotonic() - started < 300:
        # Several times, so that every worker of the gateway is asked.
        if any(server.pid != old_pid for server in _servers(system)) and all(_chats(system) for _ in range(6)):
            return time.monotonic() - started
        time.sleep(0.5)
    raise AssertionError(f"not ready again; the supervisor said:\n{system.log.read_text()}")


def _chats(system: System) -> bool:
    body = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    answer = httpx.post(f"{system.url}/v1/chat/completions", json=body, timeout=60)
    return answer.status_code == 200 and system.readiness() == 200

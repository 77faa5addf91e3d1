"""compose.yaml as far as it goes without a GPU: the unchanged files and images, on a base with NVIDIA's layout, with the
replay engine. By a user id that no passwd knows, on read-only roots, with fresh volumes, behind a proxy that is dead."""

from __future__ import annotations

import json
import threading

import httpx
import openai
import pytest

from tests.compose.conftest import USER
from tests.compose.stack import Stack

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SLOW = [{"role": "user", "content": "Count slowly."}]
SECRET = "sk-of-the-test"


@pytest.fixture(scope="module")
def client(gpu_stack: Stack) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gpu_stack.url}/v1", api_key=SECRET, max_retries=0, timeout=60)


def answers(client: openai.OpenAI) -> bool:
    try:
        answer = client.chat.completions.create(model="replayed", messages=QUESTION)  # pyright: ignore[reportArgumentType]
    except openai.APIError:
        return False
    return answer.choices[0].message.content == "The capital of France is Paris."


def test_every_model_answers(client: openai.OpenAI):
    """Whole and streamed, vectors, and a verdict; a key with a BOM and CRLF around it is the same key."""
    assert answers(client)
    stream = client.chat.completions.create(model="replayed", messages=QUESTION, stream=True)  # pyright: ignore[reportArgumentType,reportCallIssue]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "The capital of France is Paris."
    assert len(client.embeddings.create(model="all-minilm-l6-v2", input="a text").data[0].embedding) == 384
    assert client.moderations.create(model="moderation", input="have a nice day").results[0].flagged is False


def test_nobody_gets_in_without_a_key(gpu_stack: Stack):
    """The port is published on all addresses."""
    assert httpx.get(f"{gpu_stack.url}/v1/models").status_code == 401


def test_containers_are_confined(gpu_stack: Stack):
    """As the engine sees them, not as the file says."""
    for service in ("gateway", "triton"):
        described = gpu_stack.inspect(service)
        host, config = described["HostConfig"], described["Config"]
        assert config["User"] == USER
        assert (host["ReadonlyRootfs"], host["Privileged"], host["CapDrop"]) == (True, False, ["ALL"])
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert (host["NetworkMode"] != "host", host["PidMode"], host["IpcMode"]) == (True, "", "private")
        assert SECRET not in json.dumps(described)
    published = {service: gpu_stack.inspect(service)["HostConfig"]["PortBindings"] for service in ("gateway", "triton")}
    assert list(published["gateway"]) == ["8000/tcp"]
    assert not published["triton"]


def test_model_can_be_loaded_from_the_triton_container_alone(gpu_stack: Stack):
    """A load request with a `file:` runs the caller's Python on this Triton: from another container it is refused."""
    program = (
        "import tritonclient.grpc as t\n"
        "client = t.InferenceServerClient('triton:8001', channel_args=[('grpc.enable_http_proxy', 0)])\n"
        "assert client.is_server_live()\n"
        "try: client.load_model('moderation', files={'file:1/model.py': b'x = 1'}, config='{}')\n"
        "except t.InferenceServerException as error: print('refused:', error.message())\n"
    )
    told = gpu_stack.run_in("gateway", "/opt/triton-gateway/bin/python", "-c", program)
    assert told.startswith("refused: This protocol is restricted"), told
    listed = gpu_stack.run_in("triton", "triton-gateway", "models")
    assert "replayed" in listed


@pytest.mark.parametrize("part", ["replayed/1", "bin/tritonserver"], ids=["stub", "triton"])
def test_what_is_killed_comes_back(gpu_stack: Stack, client: openai.OpenAI, part: str):
    """The supervisor starts Triton again; the container stays the same, and nothing of the dead one is left in it."""
    before = gpu_stack.inspect("triton")["State"]["StartedAt"]
    stubs = gpu_stack.processes("triton", "triton_python_backend_stub")
    gpu_stack.kill("triton", part)
    gpu_stack.wait_for(lambda: answers(client), "an answer after the kill")
    assert gpu_stack.inspect("triton")["State"]["StartedAt"] == before
    assert not set(stubs) & set(gpu_stack.processes("triton", "triton_python_backend_stub"))


def test_running_answers_end_before_the_gateway_stops(gpu_stack: Stack, client: openai.OpenAI):
    """A restart of the gateway cuts no stream that ends within 4 s."""
    texts: list[str] = []
    begun = threading.Event()

    def read() -> None:
        stream = client.chat.completions.create(model="replayed", messages=SLOW, stream=True)  # pyright: ignore[reportArgumentType,reportCallIssue]
        for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")
            begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(30)
    gpu_stack.compose("restart", "gateway")
    reader.join(60)
    assert "".join(texts) == "one two three four five six seven eight nine ten"
    gpu_stack.wait_for(lambda: answers(client), "an answer after the restart")

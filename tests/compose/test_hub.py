"""`MODEL=… docker compose up` against a hub on this host: the model is downloaded and served by a real engine, or refused
before the download."""

from __future__ import annotations

import json
from collections.abc import Generator
from ipaddress import ip_network
from pathlib import Path

import openai
import pytest

from benchmarks.processes import free_ports
from gateway.cli.layout import find_layout
from tests.compose.engine import Docker
from tests.compose.stack import ROOT, Stack
from tests.fakes.hub import Hub, serving

HERE = Path(__file__).parent
MODEL = "owner/SmolLM2-135M-Instruct"
NAME = "SmolLM2-135M-Instruct"


@pytest.fixture
def hub() -> Hub:
    hub = Hub()
    hub.add(MODEL, find_layout().models / "smollm2-135m-instruct")
    return hub


@pytest.fixture
def stack(hub: Hub, docker: Docker, gateway_image: str, triton_image: str) -> Generator[Stack]:
    """compose.yaml without its GPU, and the hub at the address that this host has for containers."""
    variables = {"GATEWAY_IMAGE": gateway_image, "TRITON_SERVER_IMAGE": triton_image}
    variables |= {"MODEL": MODEL, "MODEL_DTYPE": "float32"}
    subnet = docker.run("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}").strip()
    host = str(next(ip_network(subnet).hosts()))
    files = (ROOT / "compose.yaml", HERE / "no-gpu.yaml")
    with serving(hub, host) as address:
        given = {**variables, "HF_ENDPOINT": address, "HUB_ADDRESS": host}
        stack = Stack(docker, "tgt-hub", files, given, free_ports(1)[0])
        try:
            yield stack
        finally:
            stack.down()


def test_model_of_the_hub_is_served(hub: Hub, stack: Stack):
    """Looked up, downloaded with progress, written and loaded; a later start asks the hub nothing."""
    stack.up()
    said = stack.logs("triton")
    assert f"downloading {MODEL}: " in said
    assert "(100 %)" in said
    written = json.loads(stack.run_in("triton", "cat", f"/models/{NAME}/1/model.json"))
    assert (written["model"], written["revision"]) == (MODEL, hub.models[MODEL].commit)
    assert "trust_remote_code" not in written
    assert 'backend: "vllm_custom"' in stack.run_in("triton", "cat", f"/models/{NAME}/config.pbtxt")
    assert "Paris" in answer(stack)
    hub.down = 503
    seen = len(hub.requests)
    stack.compose("up", "--detach", "--no-build", "--force-recreate", "triton")
    stack.wait_for(lambda: stack.health("triton") == "healthy", "a healthy Triton without the hub")
    stack.wait_for(lambda: "Paris" in answer(stack), "an answer after the new start")
    assert len(hub.requests) == seen


def test_too_small_a_gpu_is_told_before_the_download(hub: Hub, stack: Stack):
    """With what the model needs, what there is and what to do; the container says it and ends."""
    small = Stack(stack.docker, stack.project, (*stack.files, HERE / "small-gpu.yaml"), stack.variables, stack.port)
    small.compose("up", "--detach", "--no-build", "triton")
    small.wait_for(lambda: "Fix: " in small.logs("triton"), "a refusal")
    said = small.logs("triton")
    assert f"{MODEL} needs " in said
    assert "GPU 0 (NVIDIA T400) has 0.5 GB" in said
    assert "Traceback" not in said
    assert not hub.asked("GET", ".safetensors")


def answer(stack: Stack) -> str:
    """The model's, or the error's text."""
    client = openai.OpenAI(base_url=f"{stack.url}/v1", api_key="none", max_retries=0, timeout=60)
    try:
        answered = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "What is the capital of France?"}],
            max_tokens=16,
            temperature=0,
        )
    except openai.APIError as error:
        return str(error)
    return answered.choices[0].message.content or ""

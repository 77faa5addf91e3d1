"""Chat templates out of a model's files."""

from __future__ import annotations

import httpx
import orjson
import pytest

from gateway.models.generating import read_template
from gateway.prompting.conversation import Conversation
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import running_gateway
from tests.fakes.openai import chat, completion
from tests.fakes.triton import CHAT_MODEL, FakeTriton, toy_files

HELLO = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("files", "prompt"),
    [
        ({"tokenizer_config.json": {"chat_template": "old"}}, "old"),
        ({"tokenizer_config.json": {"chat_template": "old"}, "chat_template.jinja": "new"}, "new"),
        ({"tokenizer_config.json": {"chat_template": "{{ bos_token }}", "bos_token": "<s>"}}, "<s>"),
        ({"tokenizer_config.json": {"chat_template": "{{ bos_token }}", "bos_token": {"content": "<b>"}}}, "<b>"),
        ({"tokenizer_config.json": {"chat_template": "[{{ bos_token }}]", "bos_token": None}}, "[]"),
        ({"chat_template.jinja": "alone"}, "alone"),
    ],
)
def test_template_is_found(files: dict[str, object], prompt: str) -> None:
    """A file of its own wins over the member of the tokeniser's configuration; special tokens come as text."""
    raw = {name: value.encode() if isinstance(value, str) else orjson.dumps(value) for name, value in files.items()}
    template = read_template(raw)
    assert template is not None
    assert template.render(Conversation(HELLO)) == prompt


def test_model_without_template_completes_only() -> None:
    """Chat is refused with the way out; completions work."""
    files = toy_files()
    files[CHAT_MODEL] = {"tokenizer.json": files[CHAT_MODEL]["tokenizer.json"]}
    with FakeTriton(files=files) as triton, running_gateway(triton_urls=(triton.address,), **PROBED_ONCE) as gateway:
        gateway.wait_ready()
        refused = httpx.post(f"{gateway.url}/v1/chat/completions", json=chat())
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "model"
        assert "/v1/completions" in refused.json()["error"]["message"]
        assert httpx.post(f"{gateway.url}/v1/completions", json=completion()).status_code == 200

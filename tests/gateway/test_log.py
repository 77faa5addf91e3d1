"""The log: request ids in it, prompts and keys never."""

from __future__ import annotations

import logging
from contextvars import copy_context

import httpx
import pytest

from gateway import log as log_setup
from gateway import request_record
from tests.fakes.openai import chat, completion
from tests.fakes.triton import EMBEDDING_MODEL, FakeTriton

SECRET = "xyzzy-plugh"


def test_prompts_are_not_logged(client: httpx.Client, triton: FakeTriton, caplog: pytest.LogCaptureFixture) -> None:
    """At no level, whether the request is answered, refused, cut or broken."""
    messages = [{"role": "user", "content": SECRET}]
    with caplog.at_level(logging.DEBUG):
        for body in (chat(messages=messages), chat(messages=messages, n=0), chat(messages=messages, max_tokens=10**6)):
            for stream in (False, True):
                client.post("/v1/chat/completions", json={**body, "stream": stream})
        client.post("/v1/chat/completions", content=f'{{"messages": "{SECRET}')
        client.post("/v1/completions", json=completion(prompt=SECRET))
        client.post("/v1/embeddings", json={"model": EMBEDDING_MODEL, "input": SECRET * 9})
        client.post("/v1/moderations", json={"input": SECRET})
        triton.script = lambda call: iter([[call.accepted()], [[call.rid, "delta", 0, SECRET, 1, SECRET]]])
        client.post("/v1/chat/completions", json=chat(messages=messages))
        triton.script = lambda call: iter([[call.accepted()], [[call.rid, "end", 0, SECRET, None, None]]])
        client.post("/v1/chat/completions", json=chat(messages=messages, stream=True))
    assert "POST /v1/chat/completions" in caplog.text
    assert SECRET not in caplog.text


def test_lines_have_the_request_id(capfd: pytest.CaptureFixture[str]) -> None:
    """So that one request can be followed through."""
    log_setup.set_up("warning")

    def work() -> None:
        request_record.begin("req_1")
        logging.getLogger("gateway.test").warning("hello")

    copy_context().run(work)
    line = capfd.readouterr().err
    assert "WARNING gateway.test [req_1] hello" in line

"""Answers to HTTP/1.0, which knows no chunks."""

from __future__ import annotations

import json

from tests.fakes.gateway import RunningGateway
from tests.fakes.openai import chat
from tests.gateway.server.test_guarded_http import sent


def asked(gateway: RunningGateway, version: str, **fields: object) -> tuple[bytes, bytes]:
    """Head and body of the answer."""
    body = json.dumps(chat(**fields)).encode()
    line = f"POST /v1/chat/completions HTTP/{version}\r\nHost: x\r\nConnection: close\r\n".encode()
    head, _, answer = sent(gateway, line + b"Content-Length: %d\r\n\r\n" % len(body) + body).partition(b"\r\n\r\n")
    return head.lower(), answer


def test_stream_has_no_chunks(gateway: RunningGateway) -> None:
    """Its end is the end of the connection."""
    head, body = asked(gateway, "1.0", stream=True)
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_whole_answer_has_its_length(gateway: RunningGateway) -> None:
    """As with HTTP/1.1, whose streams have chunks."""
    head, body = asked(gateway, "1.0")
    assert b"content-length: %d" % len(body) in head
    head, body = asked(gateway, "1.1", stream=True)
    assert b"transfer-encoding: chunked" in head
    assert body.endswith(b"0\r\n\r\n")

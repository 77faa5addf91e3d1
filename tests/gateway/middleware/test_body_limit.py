"""Bodies that are too large or of another kind."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Generator, Iterator
from typing import Any

import httpx
import orjson
import pytest
import zstandard

from gateway.middleware.body_limit import BodyLimit
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat
from tests.fakes.triton import FakeTriton

LIMIT = 2048


@pytest.fixture(scope="module")
def small(_shared_triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    with running_gateway(triton_urls=(_shared_triton.address,), max_body_bytes=LIMIT, **PROBED_ONCE) as gateway:
        gateway.wait_ready()
        yield gateway


def body_of(size: int) -> bytes:
    empty = orjson.dumps(chat(user=""))
    return orjson.dumps(chat(user="x" * (size - len(empty))))


def in_pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 100):
        yield content[start : start + 100]


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_largest_body_is_taken(small: RunningGateway, chunked: bool) -> None:
    """Exactly the limit."""
    content = body_of(LIMIT)
    response = httpx.post(f"{small.url}/v1/chat/completions", content=in_pieces(content) if chunked else content)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_larger_body_is_refused(small: RunningGateway, chunked: bool) -> None:
    """One byte more: 413 in the envelope, whether the length was told or found out."""
    content = body_of(LIMIT + 1)
    response = httpx.post(f"{small.url}/v1/chat/completions", content=in_pieces(content) if chunked else content)
    assert response.status_code == 413
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
)
def test_other_media_types_are_refused(client: httpx.Client, media_type: str) -> None:
    """415: a browser's form can't be made to send a request."""
    response = client.post("/v1/chat/completions", content=orjson.dumps(chat()), headers={"content-type": media_type})
    assert response.status_code == 415
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
def test_json_is_taken(client: httpx.Client, media_type: str) -> None:
    """In every spelling."""
    response = client.post("/v1/chat/completions", content=orjson.dumps(chat()), headers={"content-type": media_type})
    assert response.status_code == 200


def test_body_without_type_is_json(client: httpx.Client) -> None:
    """As OpenAI's own API takes it."""
    request = client.build_request("POST", "/v1/chat/completions", content=orjson.dumps(chat()))
    request.headers.pop("content-type", None)
    assert client.send(request).status_code == 200


@pytest.mark.anyio
async def test_length_that_lies_is_found_out() -> None:
    """The bytes are counted whatever the header says, and not collected further."""
    asked = 0

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 600, "more_body": True}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(*_: Any) -> None:
        raise AssertionError("not reached")

    for length in (b"5", b"-1", b"many", b"\xb2"):
        asked = 0
        sent.clear()
        scope = {"type": "http", "method": "POST", "headers": [(b"content-length", length)]}
        await BodyLimit(app, LIMIT, timeout_s=5)(scope, receive, send)
        assert sent[0]["status"] == 413
        assert asked == 4


def test_slow_body_is_not_waited_for(triton: FakeTriton) -> None:
    """408, and the connection ends: what else comes is not wanted."""
    with running_gateway(triton_urls=(triton.address,), body_timeout_s=0.2, **PROBED_ONCE) as gateway:
        address = httpx.URL(gateway.url)
        with socket.create_connection((address.host, address.port or 0), timeout=5) as connection:
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            received = b""
            while piece := connection.recv(65536):
                received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"x-request-id" in head
    assert orjson.loads(body)["error"]["message"] == "The body of the request did not come in time."


def packed(content: bytes, encoding: str) -> bytes:
    return gzip.compress(content) if "gzip" in encoding else zstandard.compress(content)


def post(gateway: RunningGateway, content: bytes, encoding: str) -> httpx.Response:
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    return httpx.post(f"{gateway.url}/v1/chat/completions", content=content, headers=headers)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "zstd"])
def test_compressed_body_is_decoded(small: RunningGateway, encoding: str) -> None:
    """Up to the limit, which is that of the decoded body too."""
    response = post(small, packed(body_of(LIMIT), encoding.lower()), encoding)
    assert response.status_code == 200, response.text
    assert post(small, packed(body_of(LIMIT + 1), encoding.lower()), encoding).status_code == 413
    assert post(small, body_of(LIMIT), "identity").status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_compressed_body_must_be_what_it_says(small: RunningGateway, encoding: str) -> None:
    """Whatever is broken of it."""
    whole = packed(body_of(LIMIT), encoding)
    for broken in (b"", b"{}", whole[:-20]):
        assert post(small, broken, encoding).status_code == 400, broken


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
def test_other_encodings_are_refused(small: RunningGateway, encoding: str) -> None:
    """With those that may be tried instead (RFC 9110, section 15.5.16)."""
    response = post(small, b"{}", encoding)
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "gzip, zstd")
    assert response.json()["error"]["type"] == "invalid_request_error"

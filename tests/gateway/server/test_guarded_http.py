"""What a connection may send before the application hears of it: raw bytes, over a real socket."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import pytest

from gateway.server.guarded_http import MAX_HEAD_BYTES, MAX_HEADERS, GuardedHttp
from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import Gate, chat, streaming
from tests.fakes.triton import FakeTriton

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def connected(gateway: RunningGateway) -> Generator[socket.socket, None, None]:
    with socket.create_connection(("127.0.0.1", httpx.URL(gateway.url).port or 0), timeout=5) as connection:
        yield connection


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server hangs up. A reset counts: there was more to read for it."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def sent(gateway: RunningGateway, *pieces: bytes) -> bytes:
    """The answers to these bytes."""
    with connected(gateway) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough
        return answer(connection)


def hangs_up_on(connection: socket.socket, piece: bytes) -> bool:
    """Whether the server ends the connection before it has been sent this a thousand times."""
    try:
        for _ in range(1000):
            connection.sendall(piece)
    except OSError:  # a broken pipe, or a reset
        return True
    return False


def refusal(received: bytes) -> int:
    """The status of the one answer, which has OpenAI's envelope and closes the connection."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close" in head
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    return int(head.split()[1])


def head(*headers: bytes, line: bytes = b"GET /livez HTTP/1.1", host: bytes = b"Host: x\r\n") -> bytes:
    return line + b"\r\n" + host + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


def test_usual_head_passes(gateway: RunningGateway) -> None:
    """As many headers as are allowed, in one piece and byte by byte."""
    request = head(*[b"x-%d: y" % number for number in range(MAX_HEADERS - 2)], b"connection: close")
    assert sent(gateway, request).startswith(b"HTTP/1.1 200 ")
    assert sent(gateway, *[bytes([byte]) for byte in request]).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_",
    [
        head(b"x: " + b"y" * MAX_HEAD_BYTES),
        head(*[b"x: y"] * MAX_HEADERS),
        head(line=b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1"),
    ],
    ids=["long header", "many headers", "long url"],
)
def test_large_head_is_refused(gateway: RunningGateway, request_: bytes) -> None:
    """A complete one."""
    assert refusal(sent(gateway, request_)) == 431


@pytest.mark.parametrize("start", [b"GET /", b"GET /livez HTTP/1.1\r\nHost: x\r\nx: "], ids=["url", "header"])
def test_endless_head_is_cut(gateway: RunningGateway, start: bytes) -> None:
    """One that never becomes complete; not a byte more is kept than is allowed."""
    with connected(gateway) as connection:
        connection.sendall(start)
        assert hangs_up_on(connection, b"x" * MAX_HEAD_BYTES)


def test_endless_head_behind_a_running_request_is_cut(gateway: RunningGateway, triton: FakeTriton) -> None:
    """Pipelined, so that a request is in work meanwhile; its answer is given up with the connection."""
    body = json.dumps(chat(stream=True)).encode()
    with Gate(before=2) as gate, connected(gateway) as connection:
        triton.script = gate
        line = b"POST /v1/chat/completions HTTP/1.1"
        connection.sendall(head(b"content-type: application/json", b"content-length: %d" % len(body), line=line) + body)
        call = triton.next_call()
        assert hangs_up_on(connection, b"GET /" + b"x" * MAX_HEAD_BYTES)
        assert call.cancelled.wait(5)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /livez HTTP/1.1\r\n\r\n",
        head(b"Host: y"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /livez\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: x\n\n",
        head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        head(b"Content-Length: 5", b"Content-Length: 6"),
        head(b"Content-Length: -5"),
        head(b"bad header"),
        head(b"x: a\0b"),
    ],
    ids=[
        "no host",
        "two hosts",
        "http/2",
        "tls",
        "http/0.9",
        "bare lf",
        "two lengths",
        "two different lengths",
        "negative length",
        "no colon",
        "nul",
    ],
)
def test_malformed_head_is_refused(gateway: RunningGateway, request_: bytes) -> None:
    """400 once, whatever stands behind it: nothing that follows is taken for a request."""
    assert refusal(sent(gateway, request_, LIVEZ)) == 400


def test_http_1_0_needs_no_host(gateway: RunningGateway) -> None:
    """Probes of some load balancers still speak it."""
    assert sent(gateway, b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begun", [b"\r\n", b"GET /livez HT", LIVEZ[:-2]], ids=repr)
def test_slow_head_is_not_waited_for(gateway: RunningGateway, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """408, once something has come."""
    monkeypatch.setattr(GuardedHttp, "head_timeout_s", 0.2)
    assert refusal(sent(gateway, begun)) == 408


@pytest.fixture(scope="module")
def impatient(_shared_triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    with running_gateway(triton_urls=(_shared_triton.address,), keep_alive_s=1, **PROBED_ONCE) as gateway:
        yield gateway


@pytest.mark.parametrize("used", [False, True], ids=["never used", "used"])
def test_idle_connection_is_kept_for_a_while(
    impatient: RunningGateway, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as is set, then it ends without a word; pools open connections ahead, so one that was never used is as idle
    as any."""
    monkeypatch.setattr(GuardedHttp, "head_timeout_s", 0.2)
    with connected(impatient) as connection:
        if used:
            connection.sendall(LIVEZ)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        began = time.monotonic()
        assert connection.recv(65536) == b""
        assert 0.9 < time.monotonic() - began < 4


def test_request_that_comes_as_the_connection_ends_is_answered(
    impatient: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in the socket when the time is over, unread, because the event loop was busy."""
    late = GuardedHttp.timeout_keep_alive_handler
    with connected(impatient) as connection:

        def just_before(self: GuardedHttp) -> None:
            monkeypatch.undo()
            connection.sendall(LIVEZ)
            time.sleep(0.05)
            late(self)

        monkeypatch.setattr(GuardedHttp, "timeout_keep_alive_handler", just_before)
        connection.sendall(LIVEZ)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "websocket": b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n",
    "unknown": b"Upgrade: x/1\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n",
}
offering = pytest.mark.parametrize("offer", UPGRADES.values(), ids=UPGRADES)


def posted(body: bytes, offer: bytes, *more: bytes) -> bytes:
    headers = [b"content-type: application/json", *(more or [b"content-length: %d" % len(body)])]
    return head(*headers, line=b"POST /v1/chat/completions HTTP/1.1", host=b"Host: x\r\n" + offer) + body


@offering
@pytest.mark.parametrize("cut", ["whole", "behind the head", "in the body", "every byte"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_offered_upgrade_costs_no_body(
    gateway: RunningGateway, triton: FakeTriton, offer: bytes, cut: str, chunked: bool
) -> None:
    """It is ignored (RFC 9110, section 7.8). A body that looks like a request is none."""
    body = json.dumps(chat(user=LIVEZ.decode())).encode()
    last = head(b"connection: close")
    request = posted(body, offer)
    if chunked:
        request = posted(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), offer, b"transfer-encoding: chunked")
    place = {"whole": len(request), "behind the head": request.index(b"{"), "in the body": len(request) - 30}.get(
        cut, 0
    )
    pieces = [request[:place], request[place:]] if place else [bytes([byte]) for byte in request]
    with connected(gateway) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in filter(None, pieces):
            connection.sendall(piece)
            time.sleep(0.01 if place else 0)
        connection.sendall(last)
        received = answer(connection)
    assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 200 ") == 2
    assert received.endswith(b'{"status":"live"}')


@offering
def test_pipelined_upgrades_are_requests(gateway: RunningGateway, offer: bytes) -> None:
    """As many as come in one piece, with what stands before and behind them."""
    asked = head(host=b"Host: x\r\n" + offer)
    received = sent(gateway, LIVEZ + asked * 50 + head(b"connection: close"))
    assert received.count(b"HTTP/1.1 200 ") == 52


def test_connect_is_refused(gateway: RunningGateway) -> None:
    """Whatever is behind it would be another protocol."""
    assert refusal(sent(gateway, b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + LIVEZ, LIVEZ)) == 405


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_may_offer_http_2(gateway: RunningGateway) -> None:
    """`--http2` is an offer of an upgrade where there is no TLS."""
    url = f"{gateway.url}/v1/chat/completions"
    command = ["curl", "-sS", "--http2", "--noproxy", "*", "-H", "content-type: application/json", url]
    ran = subprocess.run([*command, "-d", json.dumps(chat())], capture_output=True, timeout=10, check=True)
    assert json.loads(ran.stdout)["object"] == "chat.completion"


def test_bytes_do_not_buy_time(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that never stops coming, slowly, on a connection that was used before."""
    monkeypatch.setattr(GuardedHttp, "head_timeout_s", 0.5)
    with connected(gateway) as connection:
        connection.sendall(LIVEZ)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        over = threading.Event()

        def trickle() -> None:
            try:
                while not over.wait(0.02):
                    connection.sendall(b"x: y\r\n")
            except OSError:
                over.set()  # the server has hung up

        trickling = threading.Thread(target=trickle)
        trickling.start()
        try:
            assert refusal(answer(connection)) == 408
        finally:
            over.set()
            trickling.join()


def test_long_answer_is_not_cut(gateway: RunningGateway, triton: FakeTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for the head alone."""
    monkeypatch.setattr(GuardedHttp, "head_timeout_s", 0.1)
    with Gate(before=2) as gate, gateway.client() as client:
        triton.script = gate
        with streaming(client, chat()) as response:
            time.sleep(0.5)
            gate.opened.set()
            assert response.read().endswith(b"data: [DONE]\n\n")


def test_crowd_of_slow_heads_harms_nobody(gateway: RunningGateway) -> None:
    """Two hundred half requests beside a whole one."""
    connections = [socket.create_connection(("127.0.0.1", httpx.URL(gateway.url).port or 0)) for _ in range(200)]
    try:
        for connection in connections:
            connection.sendall(LIVEZ[:-2])
        assert httpx.get(f"{gateway.url}/livez").status_code == 200
    finally:
        for connection in connections:
            connection.close()

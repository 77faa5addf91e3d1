"""Envoy before two gateways: what it balances, what it tries again, and what it leaves alone. The real Envoy."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.conftest import PROBED_ONCE
from tests.deploy.envoy_proxy import FILE, Proxy, cluster, manager, running_envoy
from tests.deploy.tools import installed, read_yaml, run
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import Gate, chat, chunks, eventually, streaming
from tests.fakes.triton import EMBEDDING_MODEL, FakeTriton

UNREACHABLE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def tritons() -> Generator[tuple[FakeTriton, FakeTriton], None, None]:
    """One for each gateway, so that a test sees which gateway has been asked."""
    with FakeTriton() as one, FakeTriton() as other:
        yield one, other


@pytest.fixture(scope="module")
def gateways(tritons: tuple[FakeTriton, FakeTriton]) -> Generator[tuple[RunningGateway, RunningGateway], None, None]:
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(running_gateway(triton_urls=(triton.address,), **PROBED_ONCE)) for triton in tritons
        )
        one.wait_ready()
        other.wait_ready()
        yield one, other


@pytest.fixture(scope="module")
def proxy(
    gateways: tuple[RunningGateway, RunningGateway], tmp_path_factory: pytest.TempPathFactory
) -> Generator[Proxy, None, None]:
    """Before both."""
    folder = tmp_path_factory.mktemp("envoy")
    with running_envoy(folder, [_address(gateway) for gateway in gateways]) as running:
        eventually(lambda: len(running.ready_gateways()) == 2)
        yield running


@pytest.fixture
def scripts(tritons: tuple[FakeTriton, FakeTriton]) -> Generator[tuple[FakeTriton, FakeTriton], None, None]:
    """The Tritons, friendly before and after the test."""
    for triton in tritons:
        triton.reset()
    yield tritons
    for triton in tritons:
        triton.reset()


def test_file_is_valid() -> None:
    """Envoy itself reads the file as it is shipped, and finds nothing in it that will go away."""
    said = run(installed("envoy"), "--mode", "validate", "--log-level", "warning", "--config-path", str(FILE))
    assert "warning" not in said.stderr


def test_no_clock_cuts_a_stream() -> None:
    """Neither the route's 15 s nor the stream's 5 minutes, which are Envoy's defaults."""
    clients = manager(read_yaml(FILE), "clients")
    [host] = clients["route_config"]["virtual_hosts"]
    [route] = host["routes"]
    assert route["route"]["timeout"] == "0s"
    assert clients["stream_idle_timeout"] == "0s"
    assert "idle_timeout" not in route["route"]


def test_retries_are_not_throttled() -> None:
    """Envoy's three retries at a time would lose requests when a gateway with many of them dies."""
    [thresholds] = cluster(read_yaml(FILE), "gateways")["circuit_breakers"]["thresholds"]
    assert thresholds["max_retries"] >= 1000
    assert min(thresholds.values()) >= 1000


def test_streams_are_spread(proxy: Proxy, scripts: tuple[FakeTriton, FakeTriton]) -> None:
    """Over both gateways, though they come from one client."""
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(2))
        for triton in scripts:
            triton.script = gate
        client = stack.enter_context(proxy.client())
        for _ in range(12):
            stack.enter_context(streaming(client, chat()))
        spread = [len(triton.calls) for triton in scripts]
    assert sum(spread) == 12
    assert min(spread) >= 1


def test_events_pass_one_by_one(proxy: Proxy, scripts: tuple[FakeTriton, FakeTriton]) -> None:
    """A client reads the first token while the model still works on the second."""
    with Gate(2) as gate:
        for triton in scripts:
            triton.script = gate
        with proxy.client() as client, streaming(client, chat()) as response:
            parts = response.iter_text()
            text = ""
            while "Hello" not in text:
                text += next(parts)
            assert "[DONE]" not in text
            gate.opened.set()
            text += "".join(parts)
    assert chunks(text)


def test_ids_are_the_gateways_or_the_clients(proxy: Proxy) -> None:
    """Envoy makes none, and adds nothing of its own to an answer."""
    with proxy.client() as client:
        made = client.get("/v1/models").headers
        kept = client.get("/v1/models", headers={"x-request-id": "mine-1"}).headers
    assert made["x-request-id"].startswith("req_")
    assert kept["x-request-id"] == "mine-1"
    assert made["server"] == "uvicorn"
    assert not [name for name in made if name.startswith("x-envoy")]


def test_clients_do_not_command_it(proxy: Proxy, scripts: tuple[FakeTriton, FakeTriton]) -> None:
    """Its headers for timeouts and retries mean nothing when a client sends them."""
    with Gate(1) as gate:
        for triton in scripts:
            triton.script = gate
        headers = {"x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-expected-rq-timeout-ms": "1"}
        opener = threading.Timer(0.3, gate.opened.set)
        opener.start()
        with proxy.client() as client:
            answer = client.post("/v1/chat/completions", json=chat(), headers=headers)
        opener.join()
    assert answer.status_code == 200


def test_operations_show_and_do_not_act(proxy: Proxy) -> None:
    """Its second port is ready and tells metrics; what stops it is nowhere on the network."""
    assert httpx.get(f"{proxy.operations}/ready").text == "LIVE\n"
    assert "envoy_cluster_upstream_rq_total" in httpx.get(f"{proxy.operations}/stats/prometheus").text
    assert httpx.post(f"{proxy.operations}/quitquitquit").status_code == 404
    assert httpx.get(f"{proxy.operations}/config_dump").status_code == 404


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_dead_gateway_costs_nothing(
    size: int, gateways: tuple[RunningGateway, RunningGateway], scripts: tuple[FakeTriton, FakeTriton], tmp_path: Path
) -> None:
    """A gateway that is gone, and that Envoy still believes in, has the fewest requests. What is tried on it is answered
    by the other, large bodies too."""
    alive = gateways[0]
    with ExitStack() as stack:
        dying = stack.enter_context(_Listener())
        proxy = stack.enter_context(running_envoy(tmp_path, [dying.address, _address(alive)]))
        eventually(lambda: len(proxy.ready_gateways()) == 2)
        dying.close()
        gate = stack.enter_context(Gate(2))
        scripts[0].script = gate
        client = stack.enter_context(proxy.client())
        stack.enter_context(streaming(client, chat()))
        body = {"model": EMBEDDING_MODEL, "input": "a", "user": "x" * size}
        answers = [client.post("/v1/embeddings", json=body) for _ in range(20)]
        assert [answer.text for answer in answers if answer.status_code != 200] == []
        assert proxy.counter("upstream_rq_retry") > 0


def test_what_has_begun_is_not_tried_again(
    gateways: tuple[RunningGateway, RunningGateway], scripts: tuple[FakeTriton, FakeTriton], tmp_path: Path
) -> None:
    """A gateway that dies with a request in its hands: the client gets an error that SDKs read, and may decide."""
    with _Listener() as dying, running_envoy(tmp_path, [dying.address]) as proxy:
        eventually(lambda: proxy.ready_gateways() == {dying.address})
        dying.drops = True
        with proxy.client() as client:
            answer = client.post("/v1/chat/completions", json=chat())
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "gateway_unavailable"
        assert proxy.counter("upstream_rq_retry") == 0


def test_unready_gateway_gets_nothing(
    gateways: tuple[RunningGateway, RunningGateway], scripts: tuple[FakeTriton, FakeTriton], tmp_path: Path
) -> None:
    """One that has lost its Triton is passed over; when none is ready, a gateway says so itself."""
    ready = gateways[0]
    with running_gateway(triton_urls=(UNREACHABLE,)) as unready:
        with running_envoy(tmp_path, [_address(unready), _address(ready)]) as proxy, proxy.client() as client:
            eventually(lambda: proxy.ready_gateways() == {_address(ready)})
            answers = [client.post("/v1/chat/completions", json=chat()) for _ in range(10)]
            assert [answer.text for answer in answers if answer.status_code != 200] == []
        with running_envoy(tmp_path, [_address(unready)]) as proxy, proxy.client() as client:
            eventually(lambda: proxy.counter("health_check.failure") > 0)
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["status"] == "not ready"


def _address(gateway: RunningGateway) -> str:
    return gateway.url.removeprefix("http://")


class _Listener:
    """A gateway that is ready, until it is closed, or drops every request that it has read."""

    def __init__(self) -> None:
        self.drops = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing listens at its address any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                if not self.drops:
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

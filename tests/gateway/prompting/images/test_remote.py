"""Images by address: from whom they are fetched, and what is put up with."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway.prompting.images.remote import Fetcher, NotAllowed, NotFetched
from tests.fakes.certificates import Authority

pytestmark = pytest.mark.anyio
MOST = 1000


class Handler(BaseHTTPRequestHandler):
    """`/ok`, and what can go wrong."""

    def do_GET(self) -> None:
        self.server.heard.append((self.path, self.headers["host"]))  # pyright: ignore[reportAttributeAccessIssue]
        path, _, target = self.path.partition("?")
        if path == "/slow":
            threading.Event().wait(5)
        if path == "/moved":
            self._answer(302, b"", location=target)
        elif path == "/large":
            self._answer(200, b"x" * (MOST + 1))
        else:
            self._answer(200 if path == "/ok" else 404, b"image")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def host() -> Generator[Any, None, None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.heard = []  # pyright: ignore[reportAttributeAccessIssue]
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def name_of(host: Any) -> str:
    return f"localhost:{host.server_address[1]}"


@asynccontextmanager
async def fetching(*hosts: str, private: bool = True, timeout_s: float = 5) -> AsyncGenerator[Fetcher, None]:
    fetcher = Fetcher(hosts, timeout_s=timeout_s, max_bytes=MOST, private_addresses=private)
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def test_image_is_fetched_by_name(host: Any) -> None:
    """The host hears its own name, though its address is what is asked."""
    async with fetching(name_of(host)) as fetcher:
        assert await fetcher.fetch(f"http://{name_of(host)}/ok") == b"image"
    assert host.heard == [("/ok", name_of(host))]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "http://LOCALHOST.example.org/ok",
        "ftp://localhost/ok",
        "file:///etc/passwd",
        "/ok",
        "http://",
        "http://localhost:1/ok",
        "http://user@localhost:{port}/ok",
        "http://127.0.0.1:{port}/ok",
        "http://localhost:{port}@example.org/",
    ],
)
async def test_other_hosts_are_not_asked(host: Any, url: str) -> None:
    """A host is allowed by the very name and port that are written in the settings."""
    async with fetching(name_of(host)) as fetcher:
        with pytest.raises(NotAllowed):
            await fetcher.fetch(url.format(port=host.server_address[1]))
    assert not host.heard


async def test_nobody_is_asked_without_settings(host: Any) -> None:
    """The list of hosts is empty."""
    async with fetching() as fetcher:
        with pytest.raises(NotAllowed):
            fetcher.check(f"http://{name_of(host)}/ok")


async def test_private_addresses_need_leave(host: Any) -> None:
    """A name that is allowed may stand for this machine: that is looked at when it is resolved."""
    async with fetching(name_of(host), private=False) as fetcher:
        with pytest.raises(NotFetched, match="no public address"):
            await fetcher.fetch(f"http://{name_of(host)}/ok")
    assert not host.heard


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
async def test_no_form_of_a_private_address_is_public(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Also where an address of IPv6 stands for one of IPv4."""
    import asyncio

    async def resolve(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with fetching("images.example.org", private=False) as fetcher:
        with pytest.raises(NotFetched, match="no public address"):
            await fetcher.fetch("http://images.example.org/")


@pytest.mark.parametrize("target", ["/ok", "http://{host}/ok"])
async def test_redirects_stay_with_the_host(host: Any, target: str) -> None:
    """Then they are followed."""
    async with fetching(name_of(host)) as fetcher:
        assert await fetcher.fetch(f"http://{name_of(host)}/moved?{target.format(host=name_of(host))}") == b"image"


async def test_redirects_to_others_are_not_followed(host: Any) -> None:
    """Not to a host that is not allowed, nor to one that is: and not round and round."""
    other = f"127.0.0.1:{host.server_address[1]}"
    async with fetching(name_of(host), other) as fetcher:
        with pytest.raises(NotAllowed):
            await fetcher.fetch(f"http://{name_of(host)}/moved?http://169.254.169.254/")
        with pytest.raises(NotFetched, match="another"):
            await fetcher.fetch(f"http://{name_of(host)}/moved?http://{other}/ok")
        with pytest.raises(NotFetched, match="again"):
            await fetcher.fetch(f"http://{name_of(host)}/moved?/moved?/moved?/moved?/moved?/ok")


@pytest.mark.parametrize(("path", "message"), [("/large", "larger"), ("/missing", "404"), ("/slow", "within")])
async def test_what_a_host_does_wrong_is_said(host: Any, path: str, message: str) -> None:
    """In words for the client."""
    async with fetching(name_of(host), timeout_s=0.5) as fetcher:
        with pytest.raises(NotFetched, match=message):
            await fetcher.fetch(f"http://{name_of(host)}{path}")


async def test_host_that_is_away_is_said() -> None:
    """Nobody listens there, or the name is not known."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        away = f"localhost:{reserved.getsockname()[1]}"
        async with fetching(away, "nowhere.invalid") as fetcher:
            for url in (f"http://{away}/ok", "http://nowhere.invalid/ok"):
                with pytest.raises(NotFetched):
                    await fetcher.fetch(url)


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_own_authority_counts_for_image_hosts(
    host: Any, is_trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's own host has a certificate that only the company's authority certifies."""
    authority = Authority(tmp_path)
    host.socket = authority.server_context().wrap_socket(host.socket, server_side=True)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    async with fetching(name_of(host)) as fetcher:
        if is_trusted:
            assert await fetcher.fetch(f"https://{name_of(host)}/ok") == b"image"
        else:
            with pytest.raises(NotFetched):
                await fetcher.fetch(f"https://{name_of(host)}/ok")

"""Fetches images by URL, only from hosts that the operator allows.

A server that fetches URLs of its clients can be made to reach addresses that only it can reach (server-side request
forgery). So the list of hosts is empty by default; a name is resolved once, its address is checked and then used; a
redirect must stay on the host; size and time are limited; proxies of the environment are not used. Of the environment only
the certificate authorities count (certificates.py).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
from collections.abc import Collection
from typing import Final

import httpx

from gateway.prompting.images.certificates import trusted

log = logging.getLogger(__name__)

_MOST_REDIRECTS: Final = 3
_PORTS: Final = {"http": 80, "https": 443}


class NotAllowed(ValueError):
    """The address is not one that may be asked. The text is for the client."""


class NotFetched(Exception):
    """The host did not give the image. The text is for the client."""


class Fetcher:
    """Made in the event loop that uses it; `close` it there."""

    def __init__(
        self, hosts: Collection[str], *, timeout_s: float, max_bytes: int, private_addresses: bool = False
    ) -> None:
        """`hosts` are names, or names with a port (`images.example.org`, `127.0.0.1:9000`). `private_addresses`: whether
        they may stand for an address that the internet does not know."""
        self._hosts = frozenset(host.lower() for host in hosts)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._private_addresses = private_addresses
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            trust_env=False,
            verify=trusted(os.environ) if hosts else True,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=0),
            # Not compressed: a little of what comes must not become a lot.
            headers={"user-agent": "triton-gateway", "accept": "image/*", "accept-encoding": "identity"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    def check(self, url: str) -> httpx.URL:
        """The parsed URL, if its host is allowed. Raises NotAllowed. Sends nothing."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise NotAllowed("not a URL") from error
        if parsed.scheme not in _PORTS or not parsed.host or parsed.userinfo:
            raise NotAllowed("an image comes as a data URL, or from an allowed host by http or https")
        port = _PORTS[parsed.scheme] if parsed.port is None else parsed.port
        names = {f"{parsed.host}:{port}"} | ({parsed.host} if port == _PORTS[parsed.scheme] else set[str]())
        if not names & self._hosts:
            raise NotAllowed("images are not fetched from this host; send the image itself, as a data URL")
        return parsed

    async def fetch(self, url: str) -> bytes:
        """The file. Raises NotAllowed and NotFetched."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(self.check(url))
        except TimeoutError as error:
            raise NotFetched(f"the host did not answer within {self._timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            log.info("an image could not be fetched: %s: %s", type(error).__name__, error)
            raise NotFetched("the host could not be asked for it") from error

    async def _follow(self, url: httpx.URL) -> bytes:
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._ask(url)
            if isinstance(response, bytes):
                return response
            target = self.check(str(url.join(response)))
            if target.netloc != url.netloc or (url.scheme, target.scheme) == ("https", "http"):
                raise NotFetched("the host sends on to another one")
            url = target
        raise NotFetched("the host sends on again and again")

    async def _ask(self, url: httpx.URL) -> bytes | str:
        """The body, or where a redirect points to."""
        address = await self._resolve(url)
        # The address that was checked is the one that is asked: a second look at the name could find another. Certificates
        # are still those of the name.
        request = self._client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={"host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            if response.is_redirect:
                return response.headers["location"]
            if response.status_code != 200:
                raise NotFetched(f"the host answered with status {response.status_code}")
            return await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self._max_bytes:
                raise NotFetched(f"it is larger than {self._max_bytes} bytes")
        return bytes(body)

    async def _resolve(self, url: httpx.URL) -> str:
        port = _PORTS[url.scheme] if url.port is None else url.port
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [str(info[4][0]) for info in found]
        for address in addresses:
            if self._private_addresses or _is_public(address):
                return address
        raise NotFetched("the host has no public address")


_TRANSLATED: Final = tuple(
    ipaddress.IPv6Network(net) for net in ("::ffff:0:0/96", "64:ff9b::/32", "2002::/16", "2001::/32")
)
"""IPv6 networks whose addresses stand for IPv4 addresses. No public server needs one."""


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and any(parsed in network for network in _TRANSLATED):
        return False
    return parsed.is_global and not parsed.is_multicast

"""The way past the router leads to the same place."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway.apis import APIS
from gateway.middleware.shortcut import Shortcut
from tests.fakes.openai import chat

HOT = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/moderations"]


@pytest.mark.parametrize("path", HOT)
def test_hot_endpoints_are_documented(client: httpx.Client, path: str) -> None:
    """Called as plain ASGI, and in /openapi.json with their bodies all the same."""
    operation = client.get("/openapi.json").json()["paths"][path]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]
    assert operation["responses"]["200"]


@pytest.mark.parametrize("path", HOT)
def test_hot_endpoints_are_counted_by_their_route(client: httpx.Client, path: str) -> None:
    """Whether they succeed or not."""
    assert client.post(path, json={}).status_code == 400
    assert f'method="POST",route="{path}",status="400"' in client.get("/metrics").text


def test_query_makes_no_difference(client: httpx.Client) -> None:
    """It is not part of the path."""
    assert client.post("/v1/chat/completions?api-version=1", json=chat()).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize(
    "scope",
    [
        {"type": "http", "method": "GET", "path": "/v1/chat/completions"},
        {"type": "http", "method": "POST", "path": "/v1/chat/completions/"},
        {"type": "lifespan"},
    ],
    ids=["method", "path", "lifespan"],
)
async def test_everything_else_is_the_routers(scope: dict[str, Any]) -> None:
    """It knows what to say of a wrong method, or of a path that is not there."""
    seen: list[Any] = []

    async def router(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def nothing(*_: Any) -> Any:
        await asyncio.Event().wait()

    routes = [route for api in APIS for route in api.json_routes]
    await Shortcut(router, routes)(scope, nothing, nothing)
    assert seen == [scope]

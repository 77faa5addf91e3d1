"""A result as one JSON body, unless the client leaves first."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Request

from gateway.web.disconnect import ClientDisconnected
from gateway.web.extensions import ON_DISCONNECT
from gateway.web.json_answer import json_answer, unless_left
from gateway.wire.common import PromptUsage

pytestmark = pytest.mark.anyio


def request(*, leaves: bool) -> Request:
    """Of a client that stays, or is gone already."""

    def on_disconnect(call: object) -> None:
        if leaves and callable(call):
            call()

    async def receive() -> dict[str, str]:
        raise AssertionError("our server calls back")

    return Request({"type": "http", "headers": [], ON_DISCONNECT: on_disconnect}, receive)


async def test_result_is_the_body() -> None:
    """As the model writes it."""

    async def work() -> PromptUsage:
        return PromptUsage(prompt_tokens=3, total_tokens=3)

    response = await json_answer(request(leaves=False), work())
    assert response.body == b'{"prompt_tokens":3,"total_tokens":3}'
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


async def test_leaving_ends_the_work() -> None:
    """It is cancelled, and the client's absence is what is told."""
    ended: list[str] = []

    async def work() -> PromptUsage:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        raise AssertionError("not reached")

    with pytest.raises(ClientDisconnected):
        await unless_left(request(leaves=True), work())
    assert ended == ["cancelled"]


async def test_error_of_the_work_is_raised() -> None:
    """As it is."""

    async def work() -> PromptUsage:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await unless_left(request(leaves=False), work())

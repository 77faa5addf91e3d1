"""Sends the result of a use case as one JSON body."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request, Response

from gateway.web.disconnect import CancelledByDisconnect
from gateway.wire.common import Wire

T = TypeVar("T")


async def unless_left(http_request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when the client leaves first."""
    async with CancelledByDisconnect(http_request.scope, http_request.receive):
        return await work


async def json_answer(http_request: Request, work: Awaitable[Wire]) -> Response:
    """The response with the result of `work`, which is cancelled when the client leaves."""
    answer = await unless_left(http_request, work)
    return Response(answer.model_dump_json(), media_type="application/json")

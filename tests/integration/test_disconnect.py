"""A client that leaves frees the engine: while its answer streams, while it waits for the whole, while it is queued."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import httpx
import pytest

from gateway.ids import new_id
from gateway.triton.client import TritonClient
from gateway.triton.records import read_records
from gateway.triton.tensors import envelope_request
from tests.integration.conftest import CHAT_MODEL, System

LIMIT_S = 0.5 * 10  # promised: 500 ms; a test asserts that a thing happens within ten times its limit
LONG = {
    "model": CHAT_MODEL,
    "messages": [{"role": "user", "content": "Tell me a very long story."}],
    "max_tokens": 4000,
    "ignore_eos": True,
}
SEQUENCES = 64  # max_num_seqs of the model: what comes beyond is queued


async def _unfinished(triton: TritonClient) -> int:
    """How many requests the engine holds."""
    request = envelope_request(CHAT_MODEL, {"op": "stats", "rid": new_id()})
    async with aclosing(triton.stream(request, stall_timeout_s=10)) as responses:
        async for response in responses:
            for record in read_records(response):
                return record[3]["unfinished"]
    raise AssertionError("stats did not answer")


async def _wait_for(triton: TritonClient, count: int, limit_s: float) -> float:
    """Until the engine holds so many; how long that took, in seconds."""
    started = time.monotonic()
    while (held := await _unfinished(triton)) != count:
        if time.monotonic() - started > limit_s:
            pytest.fail(f"the engine holds {held} requests and not {count}")
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def _leave(system: System, *, stream: bool) -> float:
    """Start a long answer, leave it, and see how long the engine keeps it."""
    triton = TritonClient(system.triton_address)
    try:
        await _wait_for(triton, 0, 30)
        async with httpx.AsyncClient(timeout=60) as client:
            post = asyncio.create_task(
                client.post(f"{system.url}/v1/chat/completions", json={**LONG, "stream": stream})
            )
            await _wait_for(triton, 1, 30)
            post.cancel()
            return await _wait_for(triton, 0, LIMIT_S)
    finally:
        await triton.close()


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_frees_engine(system: System, stream: bool) -> None:
    """A client that goes away while the model writes ends the writing."""
    print(f"freed after {asyncio.run(_leave(system, stream=stream)) * 1000:.0f} ms")


def test_leaving_while_queued_frees_place(system: System) -> None:
    """A request that the engine has queued behind others is taken out of the queue when its client leaves."""

    async def scenario() -> float:
        triton = TritonClient(system.triton_address)
        limits = httpx.Limits(max_connections=200)
        try:
            await _wait_for(triton, 0, 30)
            async with httpx.AsyncClient(timeout=120, limits=limits) as client:
                url = f"{system.url}/v1/chat/completions"
                running = [asyncio.create_task(client.post(url, json=LONG)) for _ in range(SEQUENCES)]
                await _wait_for(triton, SEQUENCES, 60)
                queued = asyncio.create_task(client.post(url, json=LONG))
                await _wait_for(triton, SEQUENCES + 1, 60)
                queued.cancel()
                freed = await _wait_for(triton, SEQUENCES, LIMIT_S)
                for task in running:
                    task.cancel()
                await _wait_for(triton, 0, 10 * LIMIT_S)
                return freed
        finally:
            await triton.close()

    print(f"freed after {asyncio.run(scenario()) * 1000:.0f} ms")

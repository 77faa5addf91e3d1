"""The load generator counts what arrives, and an answer that is no good is an error; with both sources."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.load import Load
from benchmarks.processes import build, cores, free_ports, listens, running, wait_for
from benchmarks.sources import FLOODED, PACED, SILENT, Source, sse_source
from benchmarks.triton_source import DIRECT_MODEL, MODEL, Pace
from tests.fakes.gateway import running_gateway
from tests.fakes.tokenizer import CHAT_TEMPLATE, SPECIAL_TOKENS, toy_tokenizer

ROOT = Path(__file__).resolve().parents[2]
STREAMS, REQUESTS, TOKENS = 3, 7, 20


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(build(tmp_path, "load"), tmp_path, cores().others)


@pytest.fixture
def triton(tmp_path: Path) -> Generator[Source, None, None]:
    """The stand-in of Triton, with the toy tokenizer."""
    toy_tokenizer().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(SPECIAL_TOKENS))
    (tmp_path / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    [port] = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.triton_source", str(port), str(tmp_path)]
    with running("triton_source", command, tmp_path, piped=True, at=ROOT) as program:
        wait_for(lambda: listens(port), [program])
        yield Source(program, port)


@pytest.mark.parametrize("stream", [True, False])
def test_counts_every_token_of_the_sse_source(load: Load, tmp_path: Path, stream: bool) -> None:
    """Streamed and whole, on connections that stay open."""
    with sse_source(tmp_path, cores().others) as source:
        source.set(FLOODED)
        seen = load.chat(source.port, MODEL, streams=STREAMS, requests=REQUESTS, tokens=TOKENS, stream=stream)
    # A stream has two more events: one opens it, one says why it ended.
    assert (seen.answers, seen.events) == (REQUESTS, REQUESTS * (TOKENS + 2) if stream else 0)


@pytest.mark.parametrize("model", [MODEL, DIRECT_MODEL])
def test_counts_every_token_of_the_gateway(load: Load, triton: Source, model: str) -> None:
    """Before the stand-in of Triton, by session and directly."""
    triton.set(FLOODED)
    with running_gateway(triton_urls=(f"127.0.0.1:{triton.port}",)) as gateway:
        gateway.wait_ready()
        port = int(gateway.url.rpartition(":")[2])
        seen = load.chat(port, model, streams=STREAMS, requests=REQUESTS, tokens=TOKENS)
    assert seen.tokens == REQUESTS * TOKENS


def test_held_streams_tell_what_came_since(load: Load, tmp_path: Path) -> None:
    """Streams without an end, counted anew."""
    with sse_source(tmp_path, cores().others) as source:
        source.set(PACED)
        with load.held(source.port, MODEL, streams=STREAMS) as held:
            held.count_anew()
            seen = held.seen()
    assert (seen.answers, seen.errors, seen.first_p50_ms) == (0, 0, 0)  # the first tokens came before


def test_longest_gap_is_told(load: Load, tmp_path: Path) -> None:
    """No quantile shows what stops all streams once."""
    with sse_source(tmp_path, cores().others) as source:
        source.set(PACED)
        with load.held(source.port, MODEL, streams=STREAMS) as held:
            held.count_anew()
            time.sleep(0.5)
            source.set(SILENT)
            time.sleep(0.5)
            source.set(PACED)
            time.sleep(0.2)
            seen = held.seen()
    assert seen.gap_p50_ms < 400 < (seen.gap_most_ms or 0) < 5000


def test_step_of_the_others_survives_a_cancelled_stream() -> None:
    """All streams of the stand-in wait for the same step."""

    async def wait() -> None:
        pace = Pace()
        pace.set("50000 0")
        leaving, staying = (asyncio.create_task(pace.step()) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving, staying])
        assert leaving.cancelled()
        assert not staying.cancelled()
        await pace.step()

    asyncio.run(wait())


def test_missing_tokens_are_an_error(load: Load) -> None:
    """An answer that is whole and says nothing."""
    body = b'{"choices":[]}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with pytest.raises(RuntimeError, match="0 came"):
        ask(load, answer)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}", id="refused"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n sea", id="cut short"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"c\r\ndata:  sea\n\n\r\n0\r\n\r\n",
            id="without [DONE]",
        ),
    ],
)
def test_bad_answers_are_errors(load: Load, answer: bytes) -> None:
    with pytest.raises(RuntimeError, match="1 of 1 answers were no good"):
        ask(load, answer)


def ask(load: Load, answer: bytes) -> None:
    """One chat of one token, with this answer to it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with closing(writer):
            writer.write(answer)
            await writer.drain()

    asyncio.run(_against(serve, lambda port: load.chat(port, MODEL, streams=1, requests=1, tokens=1)))


async def _against(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], use: Callable[[int], object]
) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await asyncio.to_thread(use, server.sockets[0].getsockname()[1])

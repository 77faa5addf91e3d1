"""The backend by itself, on a real Triton, asked without the gateway: what a token costs, how soon a request that nobody
wants is gone, how soon a killed engine is replaced.

    .cache/envs/dev/bin/python -m benchmarks.backend [--parts tokens cancellation recovery] [--repeat 10] [--json FILE]

`tokens`, with the replay engine: CPU time of the stub (user and system, all threads) by tokens, in direct travel, 150 tokens
a request, one every 20 ms, all in the same step, and the longest time between two responses to one request. The replay
engine's own work is in it.

`cancellation`, with vLLM and SmolLM2-135M: from the end of the client's call (`call`), or from an `abort` (`abort`), until
the backend has ended the request (`ended`), and until another request, sent at that moment, has its token (`another
served`), which takes `idle` where nothing was cancelled. A request is caught while it is queued behind others, while a
prompt of 4,000 tokens is prefilled, and while it decodes. A step that has begun is not broken off: on a CPU that one of
the prefill takes seconds.

`recovery`, with the same: from SIGKILL of the engine until its requests have failed, and until another engine gives a token.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import queue
import statistics
import sys
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.processes import work_folder
from benchmarks.repository import CHAT_MODEL, add_chat_model
from benchmarks.system import MODEL, RunLayout, System, serving, system, write_backends
from gateway.cli.layout import find_layout
from gateway.triton.records import KIND, RID

triton: Any = importlib.import_module("tritonclient.grpc")
"""NVIDIA's own client, which has no types."""

PARTS = ("tokens", "cancellation", "recovery")
STREAMS = (1, 8, 32, 128)
TOKENS = 150
STEP_S = 0.02
PROMPT_TOKENS = 4000
SEATS = 4
"""Requests that the engine runs at a time; the next one is queued."""
_READY_LIMIT_S = 300.0
_ANSWER_LIMIT_S = 120.0
_LOOK_S = 0.005
_IN_IT_S = 0.1
"""From the engine's first word until it is surely at work on the request."""
_KILLS = 2

Record = list[Any]


class Client:
    """Requests of the contract on one gRPC call; what comes back lies in `records` by the request's id."""

    def __init__(self, port: int, model: str) -> None:
        self._model = model
        self._arrived: queue.Queue[Record | Exception] = queue.Queue()
        self._client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        self._client.start_stream(self._take)

    def ask(self, op: str, **keys: Any) -> str:
        """Send it; its id."""
        rid = uuid.uuid4().hex
        tensor = triton.InferInput("request", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([json.dumps({"v": 1, "op": op, "rid": rid, **keys})], dtype=np.object_))
        self._client.async_stream_infer(self._model, [tensor])
        return rid

    def generate(self, token_ids: Sequence[int], max_tokens: int) -> str:
        body = {"stream": True, "max_tokens": max_tokens, "ignore_eos": True, "temperature": 0}
        rid = uuid.uuid4().hex
        envelope = {"v": 1, "op": "generate", "rid": rid, "api": "completions", "body": body}
        request = triton.InferInput("request", [1], "BYTES")
        request.set_data_from_numpy(np.array([json.dumps(envelope)], dtype=np.object_))
        prompt = triton.InferInput("token_ids", [len(token_ids)], "INT32")
        prompt.set_data_from_numpy(np.array(token_ids, dtype=np.int32))
        self._client.async_stream_infer(self._model, [request, prompt])
        return rid

    def next(self) -> Record:
        """The next record of any request."""
        arrived = self._arrived.get(timeout=_ANSWER_LIMIT_S)
        if isinstance(arrived, Exception):
            raise arrived
        return arrived

    def wait_for(self, rid: str, *kinds: str) -> Record:
        """The next record of this request that is of one of these kinds; those of others are dropped."""
        while True:
            record = self.next()
            if record[RID] == rid and record[KIND] in kinds:
                return record

    def stats(self) -> dict[str, Any]:
        return self.wait_for(self.ask("stats"), "result")[3]

    def leave(self) -> None:
        """End the call with whatever runs on it; once is enough."""
        self._client.stop_stream(cancel_requests=True)
        self._client.close()

    def _take(self, result: Any, error: Exception | None) -> None:
        if result is None:
            self._arrived.put(error or RuntimeError("Triton said nothing"))
            return
        records = result.as_numpy("records")
        for record in json.loads(records[0]) if records is not None else ():
            self._arrived.put(record)


def main() -> int:
    arguments = _arguments()
    tables: dict[str, list[dict[str, Any]]] = {}
    if "tokens" in arguments.parts:
        tables["tokens"] = list(_tokens())
    if {"cancellation", "recovery"} & set(arguments.parts):
        with _chat_system() as running:
            if "cancellation" in arguments.parts:
                tables["cancellation"] = list(_cancellation(running, arguments.repeat))
            if "recovery" in arguments.parts:
                tables["recovery"] = list(_recovery(running))
    for name, rows in tables.items():
        print(f"\n{name} (load average {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} CPUs)\n\n{_table(rows)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=1))
    return 0


def _tokens() -> Iterator[dict[str, Any]]:
    script = [{"text": " one two three four five six seven eight nine ten" * 100, "step_seconds": STEP_S}]
    with work_folder() as folder, system(script, folder=folder) as running:
        _run(running, 8)
        for streams in STREAMS:
            before = running.cpu()
            responses, longest = _run(running, streams)
            used = running.cpu() - before
            tokens = streams * TOKENS
            yield {
                "requests": streams,
                "stub, us a token": round(used.stub / tokens * 1e6, 1),
                "tritonserver, us a token": round(used.triton / tokens * 1e6, 1),
                "tokens a delta": round(tokens / responses, 1),
                "longest gap, ms": round(longest * 1000),
            }


def _run(running: System, streams: int) -> tuple[int, float]:
    """That many requests at once, to their end; how many deltas came, and the longest seconds between two of a request."""
    client = Client(running.grpc_port, MODEL)
    open_requests = {client.generate([504, 216], TOKENS) for _ in range(streams)}
    deltas, longest = 0, 0.0
    last: dict[str, float] = {}
    while open_requests:
        record = client.next()
        if record[KIND] == "error":
            raise RuntimeError(f"a request failed: {record}")
        if record[KIND] == "delta":
            now = time.monotonic()
            longest = max(longest, now - last.get(record[RID], now))
            last[record[RID]] = now
            deltas += 1
        if record[KIND] == "end":
            open_requests.discard(record[RID])
    client.leave()
    return deltas, longest


@contextmanager
def _chat_system() -> Generator[System, None, None]:
    with work_folder() as folder:
        layout = RunLayout(find_layout().root, folder)
        write_backends(layout)
        add_chat_model(layout, max_num_seqs=SEATS, enable_prefix_caching=False)
        with serving(layout, ready_limit_s=_READY_LIMIT_S) as running:
            yield running


def _cancellation(running: System, repeat: int) -> Iterator[dict[str, Any]]:
    idle = [_served_after(running, None, "") for _ in range(repeat)]
    yield {"state": "idle", "by": "", **_spread("ended", []), **_spread("another served", idle)}
    for state in ("queued", "prefill", "decode"):
        for way in ("call", "abort"):
            ended = [_ended_after(running, state, way) for _ in range(repeat)]
            # A queued one stands in nobody's way.
            served = [_served_after(running, state, way) for _ in range(repeat)] if state != "queued" else []
            yield {"state": state, "by": way, **_spread("ended", ended), **_spread("another served", served)}


def _ended_after(running: System, state: str, way: str) -> float:
    """Seconds until the backend has ended one request in that state."""
    watcher = Client(running.grpc_port, CHAT_MODEL)
    with _caught(running, state) as (client, rid):
        left = watcher.stats()["unfinished"] - 1
        started = time.monotonic()
        _end(client, rid, way)
        while watcher.stats()["unfinished"] > left:
            time.sleep(_LOOK_S)
        seconds = time.monotonic() - started
    watcher.leave()
    return seconds


def _served_after(running: System, state: str | None, way: str) -> float:
    """Seconds that another request waits for its first token, one in that state being ended as it comes."""
    other = Client(running.grpc_port, CHAT_MODEL)
    with _caught(running, state) as (client, rid):
        started = time.monotonic()
        if rid is not None:
            _end(client, rid, way)
        other.wait_for(other.generate([504, 216], 1), "delta")
        seconds = time.monotonic() - started
    other.leave()
    return seconds


@contextmanager
def _caught(running: System, state: str | None) -> Generator[tuple[Client, str | None], None, None]:
    """A request in that state on a call of its own; an idle engine before and after it."""
    others, client = (Client(running.grpc_port, CHAT_MODEL) for _ in range(2))
    for _ in range(SEATS if state == "queued" else 0):
        others.wait_for(others.generate([504, 216], 4000), "delta")
    rid = None
    if state is not None:
        prompt = [504 + number % 1000 for number in range(PROMPT_TOKENS if state == "prefill" else 2)]
        rid = client.generate(prompt, 4000)
        client.wait_for(rid, "delta" if state == "decode" else "accepted")
        time.sleep(_IN_IT_S)
    yield client, rid
    for each in (others, client):
        each.leave()
    watcher = Client(running.grpc_port, CHAT_MODEL)
    while watcher.stats()["unfinished"]:
        time.sleep(_LOOK_S)
    # The step that was under way, too.
    watcher.wait_for(watcher.generate([504, 216], 1), "end")
    watcher.leave()


def _end(client: Client, rid: str | None, way: str) -> None:
    if way == "call":
        client.leave()
    else:
        client.ask("abort", target=rid)


def _recovery(running: System) -> Iterator[dict[str, Any]]:
    for _ in range(_KILLS):
        client = Client(running.grpc_port, CHAT_MODEL)
        rid = client.generate([504, 216], 4000)
        client.wait_for(rid, "delta")
        [engine] = [each for each in _engine_processes(running) if "EngineCore" in each.name()]
        started = time.monotonic()
        engine.kill()
        client.wait_for(rid, "error")
        failed = time.monotonic() - started
        while not _gives_a_token(client):
            time.sleep(0.1)
        answered = time.monotonic() - started
        client.leave()
        yield {"requests failed after": f"{failed * 1000:.0f} ms", "a token again after": f"{answered:.1f} s"}


def _gives_a_token(client: Client) -> bool:
    rid = client.generate([504, 216], 1)
    return client.wait_for(rid, "end", "error")[1] == "end"


def _engine_processes(running: System) -> list[psutil.Process]:
    return [each for each in running.triton.children(recursive=True) if each.name().startswith("VLLM")]


def _spread(name: str, seconds: Sequence[float]) -> dict[str, str]:
    if not seconds:
        return {name: "-", f"{name}, slowest": "-"}
    slowest = sorted(seconds)[max(0, math.ceil(0.99 * len(seconds)) - 1)]
    return {name: f"{statistics.median(seconds) * 1000:.0f} ms", f"{name}, slowest": f"{slowest * 1000:.0f} ms"}


def _table(rows: Sequence[dict[str, Any]]) -> str:
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

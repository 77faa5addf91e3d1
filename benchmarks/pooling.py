"""Embeddings and moderations through the gateway, by the checkout's models on the real Triton: alone and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cost import Bench
from benchmarks.system import Gateway
from benchmarks.table import table

_TEXT = "The ferry leaves the harbour at nine and comes back with the tide, weather permitting."
_MODELS = {"/v1/embeddings": "all-minilm-l6-v2", "/v1/moderations": "moderation"}


@dataclass(frozen=True)
class _Shape:
    """So many requests, `streams` at a time, of so many inputs each."""

    streams: int
    inputs: int
    requests: int


_SHAPES = (_Shape(1, 1, 40), _Shape(16, 1, 160), _Shape(1, 32, 8), _Shape(4, 32, 12))


@dataclass(frozen=True)
class Pooling:
    """`us`: CPU of the gateway a request, in microseconds."""

    path: str
    streams: int
    inputs: int
    requests_per_second: float
    inputs_per_second: float
    answer_p50_ms: float
    answer_p99_ms: float
    us: int


def measure_pooling(bench: Bench, gateway: Gateway) -> list[Pooling]:
    """Every shape at each of the two."""
    return [_measure(bench, gateway, path, shape) for path in _MODELS for shape in _SHAPES]


def _measure(bench: Bench, gateway: Gateway, path: str, shape: _Shape) -> Pooling:
    body = {"model": _MODELS[path], "input": _TEXT if shape.inputs == 1 else [_TEXT] * shape.inputs}
    if path == "/v1/embeddings":
        body["encoding_format"] = "base64"  # as the official clients ask
    bench.load.ask(gateway.port, path, body, streams=shape.streams, requests=shape.streams)
    before = gateway.program.cpu()
    seen = bench.load.ask(gateway.port, path, body, streams=shape.streams, requests=shape.requests)
    used = gateway.program.cpu() - before
    return Pooling(
        path=path,
        streams=shape.streams,
        inputs=shape.inputs,
        requests_per_second=round(shape.requests / seen.seconds, 1),
        inputs_per_second=round(shape.requests * shape.inputs / seen.seconds, 1),
        answer_p50_ms=seen.answer_p50_ms,
        answer_p99_ms=seen.answer_p99_ms,
        us=round(used / shape.requests * 1e6),
    )


def pooling_table(rows: Sequence[Pooling]) -> str:
    head = ["embeddings and moderations", "at a time", "inputs each", "requests/s", "inputs/s", "p50 ms", "p99 ms"]
    head += ["gateway us/request"]
    return table(
        head,
        [
            [
                row.path,
                row.streams,
                row.inputs,
                row.requests_per_second,
                row.inputs_per_second,
                row.answer_p50_ms,
                row.answer_p99_ms,
                row.us,
            ]
            for row in rows
        ],
    )

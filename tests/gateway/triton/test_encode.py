"""Token ids to rows: padding, batching, order, and models that misbehave."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, InternalError, Overloaded, Unavailable
from gateway.triton.client import TritonClient
from gateway.triton.encode import encode, pad
from gateway.triton.protocol import pb
from tests.fakes.triton import EMBEDDING_MODEL, Abort, FakeTriton

pytestmark = pytest.mark.anyio


@pytest.fixture
async def triton_client(triton: FakeTriton) -> AsyncGenerator[TritonClient, None]:
    client = TritonClient(triton.address)
    yield client
    await client.close()


async def rows(client: TritonClient, token_ids: list[list[int]], *, batch: int = 4) -> list[list[float]]:
    values = await encode(client, EMBEDDING_MODEL, token_ids, max_batch_size=batch, max_tokens=32, timeout_s=5)
    return values.tolist()


@given(st.lists(st.lists(st.integers(1, 300), max_size=40), min_size=1, max_size=6), st.sampled_from([0, 24, 40]))
def test_padding_keeps_texts_apart(texts: list[list[int]], limit: int) -> None:
    """Each row is its text, then zeros that the mask leaves out; lengths are rounded up, but never past the model's."""
    ids, mask = pad(texts, limit)
    longest = max(1, *map(len, texts))
    assert ids.shape == mask.shape
    assert ids.shape[1] >= longest
    assert ids.shape[1] % 16 == 0 or ids.shape[1] in (limit, longest)
    assert limit == 0 or ids.shape[1] <= max(limit, longest)
    for row, text in enumerate(texts):
        assert ids[row, : len(text)].tolist() == text
        assert mask[row].tolist() == [1] * len(text) + [0] * (ids.shape[1] - len(text))
        assert not ids[row, len(text) :].any()


async def test_rows_come_back_in_order(triton: FakeTriton, triton_client: TritonClient) -> None:
    """Whatever was batched with what: the toy model gives sum and count of the ids."""
    texts = [[i] * (i % 20 + 1) for i in range(1, 12)]
    assert await rows(triton_client, texts) == [[float(sum(text)), float(len(text))] for text in texts]


async def test_texts_are_batched_by_length(triton: FakeTriton, triton_client: TritonClient) -> None:
    """No more than the model takes at a time, and the long ones do not make the short ones longer."""
    await rows(triton_client, [[1] * 30, [1], [1] * 29, [1, 1]], batch=2)
    assert sorted(shape for _, shape in triton.inferred) == [(2, 16), (2, 32)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.INTERNAL, InternalError),
    ],
    ids=lambda value: getattr(value, "name", None),
)
@pytest.mark.parametrize("texts", [1, 9])
async def test_error_of_a_batch_is_the_error(
    triton: FakeTriton,
    triton_client: TritonClient,
    status: grpc.StatusCode,
    expected: type[GatewayError],
    texts: int,
) -> None:
    """One batch or several: a GatewayError, never a group of them, and no call stays open."""
    triton.infer_error = Abort(status)
    with pytest.raises(expected):
        await rows(triton_client, [[1]] * texts)
    assert triton_client.in_flight == 0


def answer(values: Any, *, name: str = "OUTPUT__0", datatype: str = "FP32", shape: list[int] | None = None) -> Any:
    array = np.asarray(values, np.float32)
    response = pb.ModelInferResponse()
    response.outputs.add(name=name, datatype=datatype, shape=array.shape if shape is None else shape)
    response.raw_output_contents.append(array.tobytes())
    return response


class OneAnswer(TritonClient):
    """Gives the same answer to every request."""

    def __init__(self, response: Any) -> None:
        super().__init__("127.0.0.1:1")
        self.response = response

    async def infer(self, request: Any, *, timeout_s: float) -> Any:
        return self.response


@pytest.mark.parametrize(
    "response",
    [
        pb.ModelInferResponse(),
        answer([[1.0]], name="other"),
        answer([[1.0]], datatype="FP16"),
        answer([1.0]),
        answer([[1.0], [2.0]]),
        answer([[1.0]], shape=[1, 2]),
        answer([[1.0]], shape=[0, 1]),
        answer([[float("nan")]]),
        answer([[float("inf")]]),
    ],
)
async def test_malformed_rows_are_our_fault(response: Any) -> None:
    """Another tensor, another number of rows, or numbers that JSON does not have."""
    client = OneAnswer(response)
    with pytest.raises(InternalError):
        await rows(client, [[1, 2]])
    await client.close()

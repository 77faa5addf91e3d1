"""Rows of pooling models at the wire: what is asked, and what of the answers is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
import pytest

from gateway.errors import BadRequest, InternalError, Overloaded, Unavailable
from gateway.pooling import PoolingRequest
from gateway.triton.client import TritonClient
from gateway.triton.pool import pool
from gateway.triton.protocol import encode_bytes, pb

pytestmark = pytest.mark.anyio

TWO = PoolingRequest("embed", [[5, 6], [7]])
RESULT = {"shape": [2, 3], "prompt_tokens": 3}
ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


class Scripted(TritonClient):
    """Answers with these messages; keeps what it was asked."""

    def __init__(self, *messages: Any) -> None:
        super().__init__("127.0.0.1:1")
        self.asked: list[Any] = []
        self._messages = messages

    async def stream(self, request: Any, **_: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        self.asked.append(request)
        for message in self._messages:
            yield message


def message(*records: Any, rows: bytes | None = None) -> Any:
    response = pb.ModelInferResponse(model_name="m")
    response.outputs.add(name="records", datatype="BYTES", shape=[1])
    response.raw_output_contents.append(encode_bytes(orjson.dumps(records)))
    if rows is not None:
        response.outputs.add(name="vectors", datatype="FP32")
        response.raw_output_contents.append(rows)
    return response


async def pooled(client: Scripted, request: PoolingRequest = TWO) -> Any:
    try:
        return await pool(client, "m", request, timeout_s=1.5)
    finally:
        await client.close()


def envelope_of(request: Any) -> dict[str, Any]:
    return orjson.loads(request.raw_input_contents[0][4:])


async def test_inputs_travel_end_to_end() -> None:
    """As one tensor with the length of each, and with how long the answer is waited for."""
    client = Scripted(message(["r", "result", None, RESULT], rows=ROWS.tobytes()))
    rows = await pooled(client, PoolingRequest("embed", [[5, 6], [7]], dimensions=3, activation=False))
    assert (rows.values.tolist(), rows.tokens) == (ROWS.tolist(), 3)
    [asked] = client.asked
    envelope = envelope_of(asked)
    assert (envelope["op"], envelope["lengths"], envelope["dimensions"]) == ("embed", [2, 1], 3)
    assert (envelope["timeout_ms"], envelope["normalize"]) == (1500, False)
    assert np.frombuffer(asked.raw_input_contents[1], np.int32).tolist() == [5, 6, 7]


async def test_texts_travel_in_the_envelope() -> None:
    """A query with its documents, which the backend joins and tokenises."""
    client = Scripted(message(["r", "result", None, {"shape": [2, 1], "prompt_tokens": 9}], rows=ROWS.tobytes()[:8]))
    await pooled(client, PoolingRequest("score", query="q", documents=("a", "b")))
    [asked] = client.asked
    envelope = envelope_of(asked)
    assert (envelope["op"], envelope["query"], envelope["documents"]) == ("score", "q", ["a", "b"])
    assert not envelope.keys() & {"lengths", "dimensions", "normalize"}
    assert len(asked.inputs) == 1


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (["r", "error", None, "bad_request", None, "dimensions", "at most 2"], BadRequest),
        (["r", "error", None, "overloaded", None, None, "full"], Overloaded),
        (["r", "error"] + [None] * 3, InternalError),
    ],
)
async def test_error_of_the_backend_is_raised(record: list[Any], kind: type[Exception]) -> None:
    """As the contract has it."""
    with pytest.raises(kind):
        await pooled(Scripted(message(record)))


@pytest.mark.parametrize("messages", [(), (message(),), (message(["r", "accepted", None, {}]),)])
async def test_end_without_a_result_is_unavailable(messages: tuple[Any, ...]) -> None:
    """Whatever came before it."""
    with pytest.raises(Unavailable):
        await pooled(Scripted(*messages))


@pytest.mark.parametrize(
    ("result", "rows"),
    [
        (None, ROWS.tobytes()),
        ({**RESULT, "shape": [3, 2]}, ROWS.tobytes()),
        ({**RESULT, "shape": [2, 0]}, b""),
        ({**RESULT, "shape": [6]}, ROWS.tobytes()),
        ({**RESULT, "shape": [2, 4]}, ROWS.tobytes()),
        ({**RESULT, "prompt_tokens": -1}, ROWS.tobytes()),
        ({**RESULT, "prompt_tokens": True}, ROWS.tobytes()),
        ({"shape": [2, 3]}, ROWS.tobytes()),
        (RESULT, None),
        (RESULT, b"abc"),
        (RESULT, np.full(6, np.nan, np.float32).tobytes()),
        (RESULT, np.full(6, np.inf, np.float32).tobytes()),
    ],
    ids=[
        "no object", "rows", "no width", "one dimension", "size", "count", "no count", "uncounted", "no tensor",
        "half a number", "no number", "no finite one",
    ],
)  # fmt: skip
async def test_other_rows_are_our_fault(result: Any, rows: bytes | None) -> None:
    """A backend that does not follow the contract is not the client's to blame."""
    with pytest.raises(InternalError):
        await pooled(Scripted(message(["r", "result", None, result], rows=rows)))

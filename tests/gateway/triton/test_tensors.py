"""Requests as Triton reads them, and responses that hold something else than they should."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.triton.protocol import pb
from gateway.triton.tensors import ROWS, envelope_request, output_bytes, rows_request, rows_response


def rows_of(*outputs: tuple[str, str, list[int]], raw: list[bytes]) -> Any:
    response = pb.ModelInferResponse(model_name="m")
    for name, datatype, shape in outputs:
        response.outputs.add(name=name, datatype=datatype, shape=shape)
    response.raw_output_contents.extend(raw)
    return response


@given(st.lists(st.integers(0, 2**31 - 1), max_size=20), st.dictionaries(st.text(), st.text(), max_size=3))
def test_envelope_travels_as_bytes(token_ids: list[int], keys: dict[str, str]) -> None:
    """One BYTES element with its length before it, and the prompt in 32 bits a token."""
    request = envelope_request("m", {**keys, "op": "generate"}, array("i", token_ids))
    assert [(i.name, i.datatype, list(i.shape)) for i in request.inputs] == [
        ("request", "BYTES", [1]),
        ("token_ids", "INT32", [len(token_ids)]),
    ]
    raw, ids = request.raw_input_contents
    assert int.from_bytes(raw[:4], "little") == len(raw) - 4
    assert orjson.loads(raw[4:]) == {"v": 1, **keys, "op": "generate"}
    assert np.frombuffer(ids, "<i4").tolist() == token_ids


def test_envelope_without_prompt_has_one_tensor() -> None:
    """What asks for no answer has no tokens."""
    request = envelope_request("m", {"op": "describe"})
    assert [i.name for i in request.inputs] == ["request"]
    assert len(request.raw_input_contents) == 1


def test_rows_are_asked_for_in_64_bits() -> None:
    """Ids and mask side by side, and one output."""
    ids, mask = np.array([[1, 2], [3, 0]], np.int64), np.array([[1, 1], [1, 0]], np.int64)
    request = rows_request("m", ids, mask)
    assert [(i.name, i.datatype, list(i.shape)) for i in request.inputs] == [
        ("INPUT__0", "INT64", [2, 2]),
        ("INPUT__1", "INT64", [2, 2]),
    ]
    assert [np.frombuffer(raw, "<i8").tolist() for raw in request.raw_input_contents] == [[1, 2, 3, 0], [1, 1, 1, 0]]
    assert [output.name for output in request.outputs] == [ROWS]


def test_rows_come_back() -> None:
    """As they were sent, little-endian."""
    sent = np.array([[0.5, -1.0], [2.0, np.inf]], "<f4")
    assert rows_response(rows_of((ROWS, "FP32", [2, 2]), raw=[sent.tobytes()])).tolist() == sent.tolist()


@pytest.mark.parametrize(
    "response",
    [
        rows_of(raw=[]),
        rows_of((ROWS, "FP32", [1, 1]), raw=[]),
        rows_of((ROWS, "FP32", [1, 1]), raw=[b"1234", b"1234"]),
        rows_of((ROWS, "FP32", [1, 1]), (ROWS, "FP32", [1, 1]), raw=[b"1234", b"1234"]),
        rows_of(("OUTPUT__1", "FP32", [1, 1]), raw=[b"1234"]),
        rows_of((ROWS, "FP16", [1, 2]), raw=[b"1234"]),
        rows_of((ROWS, "FP32", [1]), raw=[b"1234"]),
        rows_of((ROWS, "FP32", [1, 2]), raw=[b"1234"]),
        rows_of((ROWS, "FP32", [1, 1]), raw=[b"12345"]),
        rows_of((ROWS, "FP32", [2**40, 2**40]), raw=[b"1234"]),
    ],
    ids=["none", "no content", "two contents", "two", "other", "halves", "one axis", "short", "ragged", "huge"],
)
def test_other_rows_are_refused(response: Any) -> None:
    """What Triton sends is not trusted to be well-formed."""
    with pytest.raises(ValueError, match=r"."):
        rows_response(response)


def test_output_is_found_by_its_name() -> None:
    """None where it is not; contents that belong to no output are a fault."""
    response = rows_of(("records", "BYTES", [1]), ("part", "BYTES", [1]), raw=[b"a", b"b"])
    assert output_bytes(response, "part") == b"b"
    assert output_bytes(response, "vectors") is None
    with pytest.raises(ValueError, match="shorter"):
        output_bytes(rows_of(("records", "BYTES", [1]), ("part", "BYTES", [1]), raw=[b"a"]), "part")

"""Records to values, and what is made of everything that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, GatewayError, InternalError, NotFound, Overloaded, Unavailable, UpstreamTimeout
from gateway.generation import Accepted, Delta, End, ParsedDelta, TokenLogprob, ToolCallDelta, Usage
from gateway.triton.protocol import encode_bytes, pb
from gateway.triton.records import read_records, to_error, to_outputs
from gateway.web.openai_dialect import envelope

RID = "r"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 1}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
kinds = st.sampled_from(["accepted", "delta", "end", "error", "result", "part"])


def response(content: bytes, name: str = "records") -> Any:
    message = pb.ModelInferResponse(model_name="m")
    message.outputs.add(name=name, datatype="BYTES", shape=[1])
    message.raw_output_contents.append(content)
    return message


def records_response(records: Any) -> Any:
    return response(encode_bytes(json.dumps(records).encode()))


def test_records_become_outputs_in_order() -> None:
    """Every kind that a generation has, with all its members."""
    records = [
        [RID, "accepted", None, {"prompt_tokens": 3}],
        [RID, "delta", 0, "Hé", 1, None],
        [RID, "delta", 1, "", 1, {"logprobs": [[7, "x", -0.5, [[7, "x", -0.5], [8, "y", -1]]]]}],
        [RID, "end", 0, "stop", "\n", None],
        [RID, "end", 1, "length", 5, USAGE],
    ]
    assert to_outputs(read_records(records_response(records)), 2) == (
        [
            Accepted(3),
            Delta(0, "Hé", 1, None),
            Delta(1, "", 1, (TokenLogprob(7, "x", -0.5, ((7, "x", -0.5), (8, "y", -1.0))),)),
            End(0, "stop", "\n", None),
            End(1, "length", 5, Usage(3, 2, 1)),
        ],
        None,
    )


def test_empty_final_response_has_no_records() -> None:
    """Triton ends a decoupled request with a response without tensors."""
    assert read_records(pb.ModelInferResponse(model_name="m")) == []


def test_missing_cached_tokens_count_as_none() -> None:
    """`cached_tokens` may be left out or null."""
    for usage in ({"prompt_tokens": 1, "completion_tokens": 1}, {**USAGE, "cached_tokens": None}):
        [end], error = to_outputs([[RID, "end", 0, "stop", None, usage]], 1)
        assert error is None
        assert isinstance(end, End)
        assert end.usage is not None
        assert end.usage.cached_tokens == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x00",
        b"\x05\x00\x00\x00[]",
        *(
            encode_bytes(text)
            for text in (b"", b"[", b"5", b"null", b"{}", b'""', b'"abc"', b"[5]", b"[[]]", b'[["r", "delta"]]')
        ),
        encode_bytes(b'[["r","delta",0,"\\ud800",1,null]]'),
        encode_bytes(b'[["r","delta",0,"\xff",1,null]]'),
        encode_bytes(b"[" * 5000 + b"]" * 5000),
        encode_bytes(b'[["r","end",NaN]]'),
    ],
)
def test_unreadable_records_are_our_fault(content: bytes) -> None:
    """Bytes that are no array of records are an InternalError and nothing else."""
    with pytest.raises(InternalError):
        read_records(response(content))


def test_outputs_without_contents_are_our_fault() -> None:
    """A response whose tensors and contents don't match in number is an InternalError."""
    message = pb.ModelInferResponse(model_name="m")
    message.outputs.add(name="records", datatype="BYTES", shape=[1])
    with pytest.raises(InternalError):
        read_records(message)


@pytest.mark.parametrize(
    "record",
    [
        [RID, "accepted", None],
        [RID, "accepted", None, {}],
        [RID, "accepted", None, None],
        [RID, "accepted", None, {"prompt_tokens": "3"}],
        [RID, "accepted", None, {"prompt_tokens": -1}],
        [RID, "delta", 0, "x", 1],
        [RID, "delta", 0, "x", 1, None, None],
        [RID, "delta", 0, 5, 1, None],
        [RID, "delta", 0, None, 1, None],
        [RID, "delta", 0, "x", None, None],
        [RID, "delta", -1, "x", 1, None],
        [RID, "delta", 2, "x", 1, None],
        [RID, "delta", "0", "x", 1, None],
        [RID, "delta", None, "x", 1, None],
        [RID, "delta", True, "x", 1, None],
        [RID, "delta", 0, "x", 1, []],
        [RID, "delta", 0, "x", 1, {"logprobs": 5}],
        [RID, "delta", 0, "x", 1, {"logprobs": [[1, "x", -1.0]]}],
        [RID, "delta", 0, "x", 1, {"logprobs": [[1, 2, -1.0, []]]}],
        [RID, "delta", 0, "x", 1, {"logprobs": [[1, "x", None, []]]}],
        [RID, "delta", 0, "x", 1, {"logprobs": [[1, "x", -1.0, [[1, "x"]]]]}],
        [RID, "delta", 0, "x", 1, {"logprobs": [[1, "x", -1.0, [[1, "x", "y"]]]]}],
        [RID, "end", 0, "stop", None],
        [RID, "end", 0, "tired", None, None],
        [RID, "end", 0, ["stop"], None, None],
        [RID, "end", 0, None, None, None],
        [RID, "end", 2, "stop", None, None],
        [RID, "end", 0, "stop", {}, None],
        [RID, "end", 0, "stop", True, None],
        [RID, "end", 0, "stop", 1.5, None],
        [RID, "end", 0, "stop", None, []],
        [RID, "end", 0, "stop", None, {"prompt_tokens": 1}],
        [RID, "end", 0, "stop", None, {**USAGE, "completion_tokens": "2"}],
        [RID, "end", 0, "stop", None, {**USAGE, "cached_tokens": [1]}],
        [RID, "error", None, "bad_request"],
        [RID, "result", None, {}],
        [RID, "part", None, "f", 0, 1],
        [RID, "sing", None],
        [RID, {}, None],
        [RID, None, None],
    ],
)
def test_malformed_record_is_our_fault(record: list[Any]) -> None:
    """What came before a malformed record stands; it itself is an InternalError."""
    before = [RID, "delta", 0, "x", 1, None]
    outputs, error = to_outputs([before, record], 2)
    assert outputs == [Delta(0, "x", 1, None)]
    assert type(error) is InternalError


@given(json_values)
def test_any_json_is_read_or_refused(value: Any) -> None:
    """No JSON makes the reader raise anything but InternalError."""
    try:
        records = read_records(records_response(value))
    except InternalError:
        return
    to_outputs(records, 1)


@given(
    st.lists(
        st.tuples(st.just(RID), kinds).flatmap(
            lambda head: st.lists(json_values, max_size=6).map(lambda rest: [*head, *rest])
        ),
        max_size=3,
    )
)
def test_any_record_is_output_or_error(records: list[list[Any]]) -> None:
    """Records with known kinds and arbitrary members become well-typed outputs or a GatewayError."""
    outputs, error = to_outputs([record for record in records if len(record) >= 3], 2)
    assert error is None or isinstance(error, GatewayError)
    for output in outputs:
        assert isinstance(output, Accepted) or output.choice in (0, 1)
        if isinstance(output, Delta):
            assert isinstance(output.text, str)


@pytest.mark.parametrize(
    ("kind", "expected", "status"),
    [
        ("bad_request", BadRequest, 400),
        ("not_found", NotFound, 404),
        ("overloaded", Overloaded, 429),
        ("unavailable", Unavailable, 503),
        ("cancelled", Unavailable, 503),
        ("timeout", UpstreamTimeout, 504),
        ("internal", InternalError, 500),
        ("unheard of", InternalError, 500),
        (None, InternalError, 500),
        ([], InternalError, 500),
    ],
)
def test_error_types_have_their_status(kind: Any, expected: type[GatewayError], status: int) -> None:
    """The table of the contract; only what concerns the request keeps the backend's words."""
    error = to_error([RID, "error", None, kind, "a_code", "a_param", "internal detail"])
    assert type(error) is expected
    assert error.status == status
    kept = kind in ("bad_request", "not_found")
    assert ("internal detail" in error.message) is kept
    assert (error.param, error.code == "a_code") == (("a_param", True) if kept else (None, False))


def test_error_members_become_strings() -> None:
    """The SDK wants strings or null for `param` and `code`, whatever the backend sends."""
    error = to_error([RID, "error", None, "bad_request", 400, ["stop"], {"text": 1}])
    assert envelope(error)["error"] == {
        "message": "{'text': 1}",
        "type": "invalid_request_error",
        "param": "['stop']",
        "code": "400",
    }


def test_nothing_after_an_error_counts() -> None:
    """An error ends the request: later records of the message are not read."""
    records = [[RID, "error", None, "overloaded", None, None, ""], [RID, "delta", 0, "x", 1, None]]
    outputs, error = to_outputs(records, 1)
    assert outputs == []
    assert isinstance(error, Overloaded)


# Deltas that carry reasoning or tool calls


def parsed(extra: Any) -> Any:
    outputs, error = to_outputs([["r", "delta", 0, "t", 1, extra]], 1)
    return outputs[0] if error is None else error


def test_extra_becomes_a_parsed_delta() -> None:
    """Reasoning and calls, each of which may be missing; text and count stay what they are."""
    call = {"index": 1, "id": "c", "name": "f", "arguments": "{"}
    assert parsed({"reasoning": "hm"}) == ParsedDelta(0, "t", 1, None, "hm", ())
    assert parsed({"tool_calls": [call]}) == ParsedDelta(0, "t", 1, None, "", (ToolCallDelta(1, "c", "f", "{"),))
    later = {"index": 1, "id": None, "name": None, "arguments": "}"}
    assert parsed({"tool_calls": [later]}).tool_calls == (ToolCallDelta(1, None, None, "}"),)


def test_other_extras_leave_a_delta_plain() -> None:
    """Token ids alone make nothing to parse."""
    assert parsed({"token_ids": [1]}) == Delta(0, "t", 1, None, (1,))


@pytest.mark.parametrize(
    "extra",
    [
        {"reasoning": 5},
        {"tool_calls": "x"},
        {"tool_calls": [{}]},
        {"tool_calls": [{"index": -1, "id": "c", "name": "f", "arguments": ""}]},
        {"tool_calls": [{"index": 0, "id": "c", "name": "f", "arguments": None}]},
        {"tool_calls": 7},
    ],
)
def test_malformed_extra_is_our_fault(extra: Any) -> None:
    """What does not follow the contract ends the request with a 500."""
    assert isinstance(parsed(extra), InternalError)

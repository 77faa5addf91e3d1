"""Envelopes to request values, by property."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom import operations
from vllm_custom.contract.generate import Generate
from vllm_custom.contract.request import RID, Bare, decode, rid_of
from vllm_custom.contract.tensors import Message
from vllm_custom.errors import BadRequest
from vllm_custom.operations.abort import Abort
from vllm_custom.operations.describe import Describe

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)
keys = st.sampled_from(["v", "op", "rid", "api", "body", "prompt", "messages", "files", "target", "extra"])
plausible = st.sampled_from([1, "describe", "generate", "abort", "stats", "chat", "completions", "abc", {}, []])
token_ids = st.one_of(
    st.none(), st.lists(st.integers(-5, 2**31 - 1), max_size=4).map(lambda ids: np.array(ids, np.int32))
)


def understood(raw, ids=None):
    message = Message(raw, ids)
    envelope = decode(message)
    return operations.find(envelope).parse(envelope, message)


@given(st.binary())
def test_any_bytes_are_understood_or_refused(raw):
    """Nothing but BadRequest comes of bytes that are no envelope."""
    try:
        understood(raw)
    except BadRequest:
        return
    raise AssertionError("random bytes were taken for a request")


@given(st.dictionaries(keys, st.one_of(plausible, values)), token_ids)
def test_any_envelope_is_understood_or_refused(envelope, ids):
    """Whatever the keys hold, the outcome is one of the four requests, whose fields are as promised, or BadRequest."""
    try:
        request = understood(json.dumps(envelope).encode(), ids)
    except BadRequest:
        return
    assert RID.fullmatch(request.rid)
    if isinstance(request, Generate):
        given = (request.prompt, request.token_ids, request.conversation)
        assert [value is None for value in given].count(False) == 1
        assert request.prompt != ""
        assert request.token_ids is None or min(request.token_ids) >= 0
    else:
        assert isinstance(request, Describe | Abort | Bare)


@given(values)
def test_rid_of_anything_can_be_repeated(rid):
    """Only a legal rid comes back; everything else is the empty one."""
    assert rid_of({"rid": rid}) in (("", rid) if isinstance(rid, str) and RID.fullmatch(rid) else ("",))


@given(st.dictionaries(st.sampled_from(["temperature", "n", "stop", "seed"]), values))
def test_body_arrives_as_it_was_written(body):
    """What vLLM's classes are to judge reaches them unchanged."""
    envelope = {"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p", "body": body}
    request = understood(json.dumps(envelope).encode())
    assert isinstance(request, Generate)
    assert request.body == json.loads(json.dumps(body))


def test_empty_foreign_fields_are_dropped():
    """`suffix: null` asks for nothing, so it is no fault, and it does not travel on."""
    envelope = {
        "v": 1,
        "op": "generate",
        "rid": "a",
        "api": "chat",
        "prompt": "p",
        "body": {"suffix": None, "use_beam_search": False},
    }
    request = understood(json.dumps(envelope).encode())
    assert isinstance(request, Generate)
    assert request.body == {}

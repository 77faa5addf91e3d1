"""describe, stats, and envelopes that are wrong."""

from __future__ import annotations

import pytest

from tests.fakes.triton_python_backend import InferenceRequest


def only_error(sender):
    (record,) = sender.finish()
    assert record[1] == "error"
    return record


@pytest.mark.parametrize(
    ("envelope", "rid", "param"),
    [
        (b"", "", None),
        (b"\xff\xfe", "", None),
        (b"[" * 100_000, "", None),
        (b'"text"', "", None),
        (b'{"v": NaN}', "", None),
        (b'{"v": 1e400}', "", None),
        ({"v": 2, "op": "stats", "rid": "a"}, "a", "v"),
        ({"v": True, "op": "stats", "rid": "a"}, "a", "v"),
        ({"op": "stats", "rid": "a"}, "a", "v"),
        ({"v": 1, "op": "stats"}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": "a b"}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": "a\n"}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": "x" * 65}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": 7}, "", "rid"),
        ({"v": 1, "op": "frob", "rid": "a"}, "a", "op"),
        ({"v": 1, "op": ["stats"], "rid": "a"}, "a", "op"),
        ({"v": 1, "op": "stats", "rid": "a", "more": 1}, "a", "more"),
        ({"v": 1, "op": "abort", "rid": "a"}, "a", "target"),
        ({"v": 1, "op": "abort", "rid": "a", "target": ""}, "a", "target"),
        ({"v": 1, "op": "describe", "rid": "a", "files": "config.json"}, "a", "files"),
        ({"v": 1, "op": "describe", "rid": "a", "model": "other"}, "a", "model"),
        ({"v": 1, "op": "generate", "rid": "a", "prompt": "p"}, "a", "api"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat"}, "a", "prompt"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": ""}, "a", "prompt"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p", "body": []}, "a", "body"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p", "body": {"messages": [1]}}, "a",
         "messages"),
    ],
)  # fmt: skip
def test_bad_envelope_is_one_error(start, envelope, rid, param):
    """Whatever is wrong with an envelope, the answer is one bad_request that names the key, with the rid if it has one."""
    record = only_error(start().send(InferenceRequest(envelope)))
    assert (record[0], record[3], record[5]) == (rid, "bad_request", param)

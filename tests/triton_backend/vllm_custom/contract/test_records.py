"""Records: joined without loss, and written as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.records import coalesce, encode

texts = st.text(max_size=5)


deltas = st.builds(
    lambda choice, text, with_ids: [
        "r", "delta", choice, text, len(text), {"token_ids": [ord(c) for c in text]} if with_ids else None
    ],
    st.integers(0, 2), texts, st.just(True),
)  # fmt: skip


@given(st.lists(deltas, max_size=12), st.sets(st.integers(0, 2)))
def test_coalescing_changes_no_text_no_count_and_no_order(records, ending):
    """Per choice the joined records tell the same text, count and tokens, and the end stays behind them."""
    records = [*records, *(["r", "end", choice, "stop", None, None] for choice in ending)]
    joined = coalesce(records)
    assert len([record for record in joined if record[1] == "delta"]) == len({r[2] for r in records if r[1] == "delta"})
    for choice in range(3):
        before = [record for record in records if record[2] == choice]
        after = [record for record in joined if record[2] == choice]
        assert content_of(before) == content_of(after)
        assert [record[1] for record in after] == [
            kind for kind in ("delta", "end") if kind in {record[1] for record in before}
        ]


def content_of(records):
    deltas_of = [record for record in records if record[1] == "delta"]
    return (
        "".join(record[3] for record in deltas_of),
        sum(record[4] for record in deltas_of),
        [token for record in deltas_of for token in record[5]["token_ids"]],
    )


def test_coalescing_leaves_its_input_alone():
    """Records may be kept by others: none is changed."""
    records = [["r", "delta", 0, "a", 1, {"logprobs": [1]}], ["r", "delta", 0, "b", 1, {"logprobs": [2]}]]
    copy = json.loads(json.dumps(records))
    assert coalesce(records) == [["r", "delta", 0, "ab", 2, {"logprobs": [1, 2]}]]
    assert records == copy


@given(st.lists(st.lists(st.one_of(st.text(), st.integers(), st.none()), max_size=4), max_size=4))
def test_encoding_is_json_in_utf8(records):
    """Any text can be sent and read back."""
    assert json.loads(encode(records).decode("utf-8")) == records


def test_lone_surrogate_becomes_a_question_mark():
    """What is not a character cannot travel as UTF-8, and does not stop the message."""
    assert json.loads(encode([["\ud800"]])) == [["?"]]

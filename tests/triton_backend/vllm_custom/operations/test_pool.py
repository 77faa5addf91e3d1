"""embed, classify and score on the replay engine: rows, their order, refusals, cancellation."""

from __future__ import annotations

import numpy as np
import pytest

ALL = {"tasks": ["embed", "classify", "score"]}


def rows(sender):
    record = sender.finish()[-1]
    assert record[1] == "result", record
    assert list(sender.vectors.shape) == record[3]["shape"]
    assert sender.vectors.dtype == np.float32
    return sender.vectors


def test_rows_come_in_the_order_of_the_inputs(start):
    """One response: the record with the shape, and the tensor."""
    sender = start(**ALL).ask("embed", input=["abcd", "a"], normalize=False)
    assert rows(sender).sum(axis=1).tolist() == [4, 1]
    assert len(sender.responses) == 1
    assert sender.records() == [["r1", "result", None, {"shape": [2, 4], "prompt_tokens": 5}]]


def test_token_ids_are_inputs(start):
    """A flat tensor with the lengths of its rows."""
    sender = start(**ALL).ask("classify", token_ids=[4, 8, 5], lengths=[2, 1], normalize=False)
    assert rows(sender).tolist() == [[2, 0, 0, 0], [0, 1, 0, 0]]


def test_rows_are_normalised_and_cut_as_asked(start):
    """Length one unless told otherwise; no more numbers than `dimensions`."""
    backend = start(**ALL)
    assert np.allclose(np.linalg.norm(rows(backend.ask("embed", input=["abcde"])), axis=1), 1)
    assert rows(backend.ask("embed", input=["abcde"], dimensions=2)).shape == (1, 2)


def test_scores_are_cosines(start):
    """One number a document: 1 for the same, less for another."""
    scores = rows(start(**ALL).ask("score", query="abcd", documents=["abcd", "aaaa"]))
    assert scores.shape == (2, 1)
    assert scores[0, 0] == pytest.approx(1)
    assert scores[1, 0] < 1


@pytest.mark.parametrize(
    ("op", "keys", "param"),
    [
        ("embed", {}, "input"),
        ("embed", {"input": "text"}, "input"),
        ("embed", {"input": []}, "input"),
        ("embed", {"input": ["a", ""]}, "input"),
        ("embed", {"input": ["a"] * 2049}, "input"),
        ("embed", {"input": ["a"], "token_ids": [1]}, "input"),
        ("embed", {"token_ids": [1, 2]}, "lengths"),
        ("embed", {"token_ids": [1, 2], "lengths": [1]}, "token_ids"),
        ("embed", {"token_ids": [1, 2], "lengths": [2, 0]}, "lengths"),
        ("embed", {"token_ids": [1, -2], "lengths": [2]}, "token_ids"),
        ("embed", {"input": ["a"], "dimensions": 0}, "dimensions"),
        ("embed", {"input": ["a"], "dimensions": True}, "dimensions"),
        ("embed", {"input": ["a"], "normalize": 1}, "normalize"),
        ("embed", {"input": ["a"], "lora": "nobody"}, "lora"),
        ("embed", {"input": ["a"], "query": "x"}, "query"),
        ("classify", {"input": ["a"], "dimensions": 2}, "dimensions"),
        ("score", {"documents": ["a"]}, "query"),
        ("score", {"query": "a", "documents": []}, "documents"),
        ("score", {"query": "a", "documents": ["a"], "token_ids": [1]}, "token_ids"),
    ],
)
def test_wrong_inputs_are_refused_by_name(start, op, keys, param):
    """One error record that names the key."""
    (record,) = start(**ALL).ask(op, **keys).finish()
    assert record[3] == ("not_found" if param == "lora" else "bad_request")
    assert record[5] == param


def test_tasks_are_those_of_the_model(start):
    """A generating model embeds nothing, and says what it can."""
    (record,) = start().ask("embed", input=["a"]).finish()
    assert (record[3], record[5]) == ("bad_request", "op")
    assert "generate" in record[6]


def test_leaving_and_aborting_end_the_work(start):
    """As with generations: one terminal record, and the engine is free of it."""
    backend = start(**ALL)
    left = backend.ask("embed", input=["endless"])
    left.cancelled = True
    assert left.finish()[-1][3] == "cancelled"
    aborted = backend.ask("embed", input=["endless"], rid="mine")
    assert backend.ask("abort", target="mine").finish()[0][3] == {"aborted": True}
    assert aborted.finish()[-1][3] == "cancelled"
    assert rows(backend.ask("embed", input=["a"])).shape == (1, 4)


def test_stopping_ends_what_is_asked(start):
    """A model that is unloaded answers everybody once."""
    backend = start(**ALL)
    sender = backend.ask("embed", input=["endless"])
    backend.stop()
    assert sender.finish()[-1][3] == "unavailable"
    assert backend.ask("embed", input=["a"]).responses == []


@pytest.mark.parametrize("op", ["embed", "classify"])
def test_deadline_ends_it(start, op):
    """As it ends a generate."""
    backend = start(**ALL)
    assert backend.ask(op, input=["endless"], timeout_ms=50).finish()[-1][3] == "timeout"
    assert backend.ask(op, rid="r3", input=["a"], timeout_ms=0).finish()[-1][3:6] == ["bad_request", None, "timeout_ms"]


def test_drain_waits_for_it_and_lets_in_no_other(start):
    """The gate is the same for every kind of work."""
    backend = start(**ALL, vllm_custom={"control": ["drain"]})
    running = backend.ask("embed", input=["endless"])
    drain = backend.ask("drain", rid="r2", timeout_ms=100)
    assert drain.finish()[-1][3] == {"drained": False, "unfinished": 1}
    assert backend.ask("embed", rid="r3", input=["a"]).finish()[-1][3] == "unavailable"
    assert backend.ask("abort", rid="r4", target="r1").finish()[-1][3] == {"aborted": True}
    assert running.finish()[-1][3] == "cancelled"

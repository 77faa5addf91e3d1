"""`session`, `ping` and `close`: how they are asked for."""

from __future__ import annotations

import pytest

from tests.fakes.triton_python_backend import InferenceRequest

SID = "5e5510000000000000000000000000ff"


def test_description_names_both_ways(start):
    """A gateway learns from `describe` that it may open a session."""
    assert start().ask("describe").finish()[0][3]["travel"] == ["direct", "session"]


def test_unknown_versions_are_refused(start):
    """A client that speaks no version of ours gets an error, finally."""
    sender = start().ask("session", rid=SID, versions=[2, 3])
    assert [record[1:4] for record in sender.finish()] == [["error", None, "bad_request"]]


def test_session_id_is_not_taken_twice(start):
    """The second opening is refused and the first session lives on."""
    backend = start()
    first = backend.ask("session", rid=SID, versions=[1])
    assert backend.ask("session", rid=SID, versions=[1]).finish()[-1][3] == "bad_request"
    backend.ask("generate", rid="a", session=SID, api="chat", prompt="p", body={})
    first.wait_for("end", rid="a")


def test_unknown_session_is_unavailable(start):
    """A request that names a session which has ended is told so by itself, and may be tried again."""
    sender = start().ask("generate", rid="a", session="gone", api="chat", prompt="p", body={})
    assert [record[:4] for record in sender.finish()] == [["a", "error", None, "unavailable"]]


@pytest.mark.parametrize("op", ["ping", "close"])
def test_ping_of_an_unknown_session_says_so(start, op):
    """A client whose session has ended without its knowledge learns it from the next ping."""
    assert start().ask(op, rid="gone").finish()[0][:4] == ["gone", "error", None, "unavailable"]


def test_ping_gets_a_bare_response(start):
    """A ping costs no message on the way back."""
    backend = start()
    backend.ask("session", rid=SID, versions=[1]).wait_for("session")
    assert backend.ask("ping", rid=SID).finish() == []


@pytest.mark.parametrize(
    ("envelope", "param"),
    [
        ({"op": "session"}, "versions"),
        ({"op": "session", "versions": 1}, "versions"),
        ({"op": "session", "versions": [True]}, "versions"),
        ({"op": "ping", "session": "s"}, "session"),
        ({"op": "generate", "api": "chat", "prompt": "p", "session": 5}, "session"),
        ({"op": "abort", "target": "a", "session": "a b"}, "session"),
        ({"op": "describe", "session": "s"}, "session"),
    ],
)
def test_bad_session_envelope_names_its_key(start, envelope, param):
    """As everywhere in the contract."""
    [record] = start().send(InferenceRequest({"v": 1, "rid": "a", **envelope})).finish()
    assert (record[3], record[5]) == ("bad_request", param)

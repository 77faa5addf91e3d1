"""`abort`: ending another request."""

from __future__ import annotations

import pytest

from tests.triton_backend.vllm_custom.states import SCRIPT, STATES


@pytest.mark.parametrize(("prompt", "reached", "stream"), STATES)
def test_abort_ends_the_request(start, prompt, reached, stream):
    """An abort is answered with true, and its target ends as cancelled."""
    backend = start(*SCRIPT)
    sender = backend.generate(prompt, rid="target", stream=stream)
    sender.wait_for(reached)
    assert backend.ask("abort", target="target").finish()[0][3] == {"aborted": True}
    assert sender.finish()[-1][3] == "cancelled"
    backend.wait_until_idle()


def test_abort_of_an_unknown_rid_is_false(start):
    """An abort that finds nothing says so."""
    assert start().ask("abort", target="nobody").finish()[0][3] == {"aborted": False}


def test_abort_of_a_finished_request_is_false(start):
    """An abort that comes too late changes nothing."""
    backend = start()
    records = backend.generate(rid="quick").finish()
    assert backend.ask("abort", target="quick").finish()[0][3] == {"aborted": False}
    assert records[-1][1] == "end"


def test_abort_before_its_generate_is_remembered(start):
    """A generate that comes after its abort ends at once, and only once."""
    backend = start()
    backend.ask("abort", target="late").finish()
    assert backend.generate(rid="late").finish()[-1][3] == "cancelled"
    assert backend.generate(rid="late").finish()[-1][1] == "end"

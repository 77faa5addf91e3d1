"""Whether new work is let in."""

from __future__ import annotations

import pytest
from vllm_custom.errors import Unavailable
from vllm_custom.serving.gate import ASLEEP, DRAINING, Gate


def test_gate_is_open_while_no_reason_stands():
    """Each reason is taken back for itself, however often it was given; the latest is named."""
    gate = Gate()
    gate.check()
    gate.close(DRAINING)
    gate.close(ASLEEP)
    gate.close(DRAINING)
    assert gate.reason == ASLEEP
    gate.open(ASLEEP)
    with pytest.raises(Unavailable, match="drained"):
        gate.check()
    gate.open(DRAINING)
    gate.open(DRAINING)
    gate.check()
    assert gate.reason is None


def test_gate_serves_between_begin_and_end():
    """Before and after, whatever the reasons, there is nothing to wait for."""
    gate = Gate()
    with pytest.raises(Unavailable):
        gate.check_serving()
    gate.begin()
    gate.check_serving()
    assert gate.is_serving
    gate.end()
    with pytest.raises(Unavailable, match="stopping"):
        gate.check_serving()

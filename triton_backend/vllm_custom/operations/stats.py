"""`stats`: what runs, and the state of the engine."""

from __future__ import annotations

from ..contract.lifecycle import RequestState
from ..contract.request import Bare, read_bare
from ..serving.context import Call, Serving
from .operation import Operation


def run(serving: Serving, request: Bare, call: Call) -> None:
    states = [each.life.state for each in serving.running.snapshot()]
    value = {
        "accepting": serving.gate.is_serving,
        "ready": serving.is_ready(),
        "queued": states.count(RequestState.QUEUED),
        "running": states.count(RequestState.RUNNING),
        **serving.engine.stats(),
    }
    call.answer_result(value)


STATS = Operation("stats", frozenset(), read_bare, run)

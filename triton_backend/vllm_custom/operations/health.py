"""`health`: whether requests are taken, and if not, why; the engine is not asked."""

from __future__ import annotations

from ..contract.request import Bare, read_bare
from ..serving.context import Call, Serving
from .operation import Operation


def run(serving: Serving, request: Bare, call: Call) -> None:
    health = serving.engine.health()
    reason = health["reason"] or serving.gate.reason
    call.answer_result({**health, "ready": serving.is_ready(), "reason": reason})


HEALTH = Operation("health", frozenset(), read_bare, run)

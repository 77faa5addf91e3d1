"""The control ops: `sleep`, `wake`, `reset_prefix_cache`, `drain` and `resume`.

They are an operator's tools, and each is answered only where model.json lists it: otherwise whoever can reach Triton could
put the model to sleep. Each ends with its one answer, whatever becomes of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from ..contract.control_ops import CONTROL_OPS
from ..contract.request import Envelope, read_timeout, refuse_prompt
from ..contract.tensors import Message
from ..errors import BadRequest, Timeout, Unavailable, translate
from ..serving.context import Call, Serving
from ..serving.gate import ASLEEP, DRAINING
from ..serving.pending_lives import fail
from .operation import Operation

# In seconds, for an op that names no `timeout_ms`: a wedged engine answers nothing.
TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class Control:
    """`timeout` in seconds, from its arrival."""

    rid: str
    op: str
    options: Mapping[str, Any]
    timeout: float

    @classmethod
    def read(cls, envelope: Envelope, message: Message) -> Control:
        refuse_prompt(message)
        level = envelope.get("level", 1)
        if isinstance(level, bool) or level not in (1, 2):
            raise BadRequest("level must be 1 or 2", param="level")
        options = {"level": int(level)} if envelope["op"] == "sleep" else {}
        timeout = read_timeout(envelope, message)
        return cls(envelope["rid"], envelope["op"], options, TIMEOUT if timeout is None else timeout)


def run(serving: Serving, request: Control, call: Call) -> None:
    """Raises BadRequest where the op is not switched on."""
    if request.op not in serving.control_ops:
        raise BadRequest(f'{request.op} is switched off; "vllm_custom": {{"control": [...]}} allows it', param="op")
    serving.pending_control.add(call.life)
    RUN[request.op](serving, request, call)


def sleep(serving: Serving, request: Control, call: Call) -> None:
    # The engine aborts what runs when it goes to sleep; ended here first, those requests learn why.
    serving.gate.close(ASLEEP)
    for running in serving.running.snapshot():
        running.end(Unavailable(ASLEEP))
    forward(serving, request, call, on_failure=lambda: serving.gate.open(ASLEEP))


def wake(serving: Serving, request: Control, call: Call) -> None:
    forward(serving, request, call, on_success=lambda: serving.gate.open(ASLEEP))


def reset_prefix_cache(serving: Serving, request: Control, call: Call) -> None:
    forward(serving, request, call)


def drain(serving: Serving, request: Control, call: Call) -> None:
    """Answered when nothing runs any more, or with what is left when the time is up. The gate stays closed."""
    serving.gate.close(DRAINING)

    def answer(unfinished: int) -> None:
        call.answer_result({"drained": unfinished == 0, "unfinished": unfinished})

    deadline = serving.deadlines.set(request.timeout, lambda: answer(len(serving.running)))

    def empty() -> None:
        serving.deadlines.cancel(deadline)
        answer(0)

    serving.running.when_empty(empty)


def resume(serving: Serving, request: Control, call: Call) -> None:
    serving.gate.open(DRAINING)
    call.answer_result({"accepting": serving.gate.reason is None})


def forward(
    serving: Serving,
    request: Control,
    call: Call,
    *,
    on_success: Callable[[], None] = lambda: None,
    on_failure: Callable[[], None] = lambda: None,
) -> None:
    """Let the engine do it. `on_success` or `on_failure` is called before the op is answered."""
    try:
        future = serving.engine.control(request.op, request.options)
    except Exception:
        on_failure()
        raise
    late = Timeout(f"{request.op} is not done yet")
    deadline = serving.deadlines.set(request.timeout, lambda: fail(call.life, late))

    def done(future: Future[Mapping[str, Any]]) -> None:
        serving.deadlines.cancel(deadline)
        try:
            value = future.result()
        except CancelledError:
            on_failure()
            fail(call.life, Unavailable("the engine has been stopped"))
        except Exception as exception:  # noqa: BLE001  whatever it is becomes the answer
            on_failure()
            fail(call.life, translate(exception))
        else:
            on_success()
            call.answer_result(value)

    future.add_done_callback(done)


RUN: Mapping[str, Callable[[Serving, Control, Call], None]] = {
    "sleep": sleep,
    "wake": wake,
    "reset_prefix_cache": reset_prefix_cache,
    "drain": drain,
    "resume": resume,
}
OPERATIONS = tuple(
    Operation(op, frozenset({"level", "timeout_ms"} if op == "sleep" else {"timeout_ms"}), Control.read, run)
    for op in CONTROL_OPS
)

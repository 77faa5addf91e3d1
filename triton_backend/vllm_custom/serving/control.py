"""The control ops: sleep, wake, reset_prefix_cache, drain, resume. An operator's tools, each answered only where
model.json lists it, because whoever can reach Triton could otherwise put the model to sleep."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from ..contract import response
from ..contract.lifecycle import Event, Life
from ..contract.request import Control
from ..errors import BackendError, BadRequest, Timeout, Unavailable, translate
from .deadlines import Deadlines
from .gate import ASLEEP, DRAINING, Gate
from .running import Active

logger = logging.getLogger(__name__)

# For an op that names no `timeout_ms`: a wedged engine answers nothing.
TIMEOUT = 300.0


class Controlled(Protocol):
    """The part of `interface.Engine` that is used."""

    def control(self, op: str, options: Mapping[str, Any]) -> Future[Mapping[str, Any]]: ...


class Operator:
    """`perform` returns at once; each op ends with its one answer, whatever becomes of the engine."""

    def __init__(
        self, allowed: tuple[str, ...], engine: Controlled, gate: Gate, active: Active, deadlines: Deadlines
    ) -> None:
        self._allowed = allowed
        self._engine = engine
        self._gate = gate
        self._active = active
        self._deadlines = deadlines
        self._pending: set[Life] = set()
        self._lock = threading.Lock()
        self._ops: Mapping[str, Callable[[Control, Life], None]] = {
            "sleep": self._sleep,
            "wake": self._wake,
            "reset_prefix_cache": self._ask_engine,
            "drain": self._drain,
            "resume": self._resume,
        }

    def perform(self, request: Control, life: Life, channel: object) -> None:
        """Raises BadRequest where the op is not switched on."""
        if request.op not in self._allowed:
            raise BadRequest(f'{request.op} is switched off; "vllm_custom": {{"control": [...]}} allows it', param="op")
        with self._lock:
            self._pending.add(life)
        life.on_end = lambda: self._forget(life)
        self._ops[request.op](request, life)

    def engine_failed(self, failure: BackendError) -> None:
        """What waits for the engine hears that it has failed; its successor is awake."""
        self._fail_all(failure)
        self._gate.open(ASLEEP)

    def stop(self) -> None:
        self._fail_all(Unavailable("the server is stopping"))

    def _sleep(self, request: Control, life: Life) -> None:
        # The engine aborts what runs when it goes to sleep; here those requests hear why.
        self._gate.close(ASLEEP)
        for generation in self._active.snapshot():
            generation.end(Unavailable(ASLEEP))
        self._ask_engine(request, life, on_failure=lambda: self._gate.open(ASLEEP))

    def _wake(self, request: Control, life: Life) -> None:
        self._ask_engine(request, life, on_success=lambda: self._gate.open(ASLEEP))

    def _drain(self, request: Control, life: Life) -> None:
        """Answered when nothing runs any more, or with what is left when the time is up. The gate stays closed."""
        self._gate.close(DRAINING)
        number = self._deadlines.set(
            TIMEOUT if request.timeout is None else request.timeout,
            lambda: _drained(life, len(self._active.snapshot())),
        )

        def empty() -> None:
            self._deadlines.cancel(number)
            _drained(life, 0)

        self._active.when_empty(empty)

    def _resume(self, request: Control, life: Life) -> None:
        self._gate.open(DRAINING)
        _answer(life, {"accepting": self._gate.reason is None})

    def _ask_engine(
        self,
        request: Control,
        life: Life,
        *,
        on_success: Callable[[], None] = lambda: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        try:
            future = self._engine.control(request.op, request.options)
        except Exception:
            on_failure()
            raise
        number = self._deadlines.set(
            TIMEOUT if request.timeout is None else request.timeout,
            lambda: _fail(life, Timeout(f"{request.op} is not done yet")),
        )

        def done(future: Future[Mapping[str, Any]]) -> None:
            self._deadlines.cancel(number)
            try:
                answer = future.result()
            except CancelledError:
                on_failure()
                _fail(life, Unavailable("the engine has been stopped"))
            except Exception as exception:  # noqa: BLE001  whatever it is becomes the answer
                on_failure()
                _fail(life, translate(exception))
            else:
                on_success()
                _answer(life, answer)

        future.add_done_callback(done)

    def _forget(self, life: Life) -> None:
        with self._lock:
            self._pending.discard(life)

    def _fail_all(self, failure: BackendError) -> None:
        with self._lock:
            pending = list(self._pending)
        for life in pending:
            _fail(life, failure)


def _answer(life: Life, value: Mapping[str, Any]) -> None:
    life.advance(Event.ANSWER, [response.result(life.rid, value)])


def _drained(life: Life, unfinished: int) -> None:
    _answer(life, {"drained": unfinished == 0, "unfinished": unfinished})


def _fail(life: Life, failure: BackendError) -> None:
    if failure.type == "internal":
        logger.error("the control op %s failed: %s", life.rid, failure.message)
    life.advance(Event.FAIL, [response.error(life.rid, failure)])

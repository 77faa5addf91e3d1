"""An engine that is watched, and replaced when it has died or is wedged.

STARTING ──► SERVING ──(dead, wedged)──► FAILED ──► STARTING ──► …      on_failure: restart
                                           ├──────► the process ends    exit, or no attempt left
                                           └──────► (stays)             stay

To the instance it is an engine like any other. The order on a failure matters: first every new request is refused, then
every running one gets its error, then the engine's processes are killed, and only then a new engine is started. A request
that arrives meanwhile is either refused or among the running ones that get the error.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from ..configuration.settings import Settings
from ..contract.generate import Generate
from ..contract.lora import Lora
from ..contract.pooling import Pool
from ..engine.interface import Engine, Facts, GenerationSink, ResultSink, Vitals
from ..errors import Unavailable
from .backoff import Backoff
from .diagnosis import DIED, StallDetector

logger = logging.getLogger(__name__)

# In seconds, for a failed engine, which has nothing to finish; it is killed when it does not end by itself.
STOP_TIMEOUT = 5.0


class EngineState(enum.Enum):
    STARTING = "starting"
    SERVING = "serving"
    FAILED = "failed"
    STOPPED = "stopped"


class RecoveringEngine:
    """See `interface.Engine`.

    `on_failure` is called with the reason before a failed engine is replaced, and has to end the engine's requests;
    `on_exit` has to end the process. Both are set before `start`, and called on the watching thread. `settle` is called
    when an engine has started, each time, before it serves; `on_stopped` once, after the last engine has been stopped.
    """

    def __init__(
        self,
        make: Callable[[], Engine],
        settings: Settings,
        *,
        settle: Callable[[], None] = lambda: None,
        on_stopped: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_failure: Callable[[Unavailable], None] = lambda failure: None
        self.on_exit: Callable[[], None] = lambda: None
        self._make = make
        self._settings = settings
        self._settle = settle
        self._on_stopped = on_stopped
        self._clock = clock
        self._engine = make()
        self._state = EngineState.STARTING
        self._reason: str | None = None
        self._restarts = 0
        self._began = 0.0
        self._backoff = Backoff(settings.backoff_seconds, settings.max_backoff_seconds, settings.max_restarts)
        self._stopping = threading.Event()
        # Held while the state and the engine change, so that a `stop` during a restart finds the engine to stop.
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="health", daemon=True)

    @property
    def state(self) -> EngineState:
        return self._state

    def start(self) -> Facts:
        facts = self._engine.start()
        self._serve()
        self._thread.start()
        return facts

    def submit(self, request: Generate, sink: GenerationSink) -> None:
        engine = self._serving()
        engine.submit(request, sink)

    def submit_for_result(self, request: Pool | Lora, sink: ResultSink) -> None:
        engine = self._serving()
        engine.submit_for_result(request, sink)

    def loras(self) -> list[str] | None:
        """Those of a failed engine too: they are loaded into the one that follows."""
        return self._engine.loras()

    def abort(self, rid: str) -> None:
        if self._state is EngineState.SERVING:
            self._engine.abort(rid)

    def control(self, op: str, options: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        return self._serving().control(op, options)

    def vitals(self) -> Vitals:
        vitals = self._engine.vitals()
        return vitals if self._state is EngineState.SERVING else Vitals(False, vitals.steps, 0)

    def processor_seconds(self) -> float:
        return self._engine.processor_seconds()

    def stats(self) -> Mapping[str, Any]:
        return {**self._engine.stats(), **self.health()}

    def health(self) -> Mapping[str, Any]:
        """What the ops `health` and `stats` report of it; returns at once, without asking the engine."""
        reason = self._reason
        if reason is None and self._state is EngineState.SERVING and not self._engine.vitals().alive:
            reason = DIED  # the watching thread is about to notice
        return {"state": self._state.value, "reason": reason, "restarts": self._restarts}

    def stop(self, timeout: float) -> None:
        with self._changing:
            self._stopping.set()
            self._state = EngineState.STOPPED
        # An engine that is being started is ended by this too, and its start raises.
        self._engine.stop(timeout)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._on_stopped()

    def _serving(self) -> Engine:
        if self._state is not EngineState.SERVING:
            raise Unavailable(self._reason or f"the engine is {self._state.value}")
        return self._engine

    def _serve(self) -> None:
        self._settle()
        self._began = self._clock()
        self._change(EngineState.SERVING, None)

    def _change(self, state: EngineState, reason: str | None) -> None:
        """Raises Unavailable once the end has begun: nothing follows STOPPED."""
        with self._changing:
            self._refuse_to_go_on()
            self._state, self._reason = state, reason

    def _refuse_to_go_on(self) -> None:
        if self._stopping.is_set():
            raise Unavailable("the server is stopping")

    # On the watching thread.

    def _watch(self) -> None:
        goes_on = True
        while goes_on and not self._stopping.is_set():
            reason = self._wait_for_failure()
            goes_on = reason is not None and self._handle(reason)

    def _wait_for_failure(self) -> str | None:
        """The reason to replace the engine; None when the watch is over."""
        detector = StallDetector(self._settings.stall_seconds, self._settings.wedge_seconds)
        while not self._stopping.wait(self._settings.check_seconds):
            engine = self._engine
            reason = detector.check(engine.vitals(), self._clock(), engine.processor_seconds)
            if reason is not None and not self._stopping.is_set():
                return reason
        return None

    def _handle(self, reason: str) -> bool:
        """End the engine's requests, then do what `on_failure` says. True when another engine serves."""
        logger.error("%s; its requests fail, then: %s", reason, self._settings.on_failure)
        try:
            self._change(EngineState.FAILED, reason)
        except Unavailable:
            return False
        self.on_failure(Unavailable(reason))
        self._backoff.served(self._clock() - self._began)
        if self._settings.on_failure == "stay":
            return False
        self._engine.stop(STOP_TIMEOUT)
        if self._settings.on_failure == "restart" and self._restart(reason):
            return True
        if not self._stopping.is_set():
            logger.error("this process ends, because its engine has failed")
            self.on_exit()
        return False

    def _restart(self, reason: str) -> bool:
        """Try until an engine serves, the attempts are used up, or the server stops. True when one serves."""
        while (pause := self._backoff.next()) is not None:
            if self._stopping.wait(pause):
                return False
            self._restarts += 1
            logger.info("starting the engine again (number %d)", self._restarts)
            try:
                self._change(EngineState.STARTING, reason)
                self._begin()
            except Exception:
                self._engine.stop(STOP_TIMEOUT)
                if self._stopping.is_set():
                    return False
                logger.exception("the engine did not start again")
            else:
                logger.info("the engine serves again")
                return True
        return False

    def _begin(self) -> None:
        with self._changing:
            self._refuse_to_go_on()
            self._engine = engine = self._make()
        engine.start()
        self._serve()

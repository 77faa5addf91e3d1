"""An engine that is watched, and replaced when it has died or is wedged.

STARTING ──► SERVING ──(dead, wedged)──► FAILED ──► STARTING ──► …      on_failure: restart
                                           ├──────► the process ends    exit, or no attempt left
                                           └──────► (stays)             stay

To the instance it is an engine like any other. The order on a failure matters: first nothing new is let in, then every
running request gets its error, then the engine's processes are killed, and only then a new engine is begun. A request that
slips in between finds the door shut, or is among those that are told.
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
from ..contract.pooling import Lora, Pool
from ..contract.request import Generate
from ..engine.interface import Asker, Engine, Facts, Sink, Vitals
from ..errors import Unavailable
from ..official.request import OfficialEmbed
from ..serving.official_embedding import Embedder, Embedding
from .backoff import Backoff
from .diagnosis import DIED, Pulse

logger = logging.getLogger(__name__)

# For a failed engine: it has nothing to say goodbye to, and is killed when it does not go.
STOP_TIMEOUT = 5.0


class State(enum.Enum):
    STARTING = "starting"
    SERVING = "serving"
    FAILED = "failed"
    STOPPED = "stopped"


class RecoveringEngine:
    """See `interface.Engine`. `leave` is called once, after the last engine has been stopped.

    `on_failure` is told why before a failed engine is replaced and has to end its requests; `on_exit` has to end the
    process. Both are called on the watching thread, and set before `start`.
    """

    def __init__(
        self,
        make: Callable[[], Engine],
        settings: Settings,
        *,
        leave: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_failure: Callable[[Unavailable], None] = lambda failure: None
        self.on_exit: Callable[[], None] = lambda: None
        self._make = make
        self._settings = settings
        self._leave = leave
        self._clock = clock
        self._engine = make()
        self._state = State.STARTING
        self._reason: str | None = None
        self._restarts = 0
        self._began = 0.0
        self._backoff = Backoff(settings.backoff_seconds, settings.max_backoff_seconds, settings.max_restarts)
        self._stopping = threading.Event()
        # Held while the state and the engine change, so that an end during a restart finds the engine to stop.
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="health", daemon=True)

    @property
    def state(self) -> State:
        return self._state

    def start(self) -> Facts:
        facts = self._engine.start()
        self._serve()
        self._thread.start()
        return facts

    def submit(self, request: Generate, sink: Sink) -> None:
        engine = self._serving()
        engine.submit(request, sink)

    def ask(self, request: Pool | Lora, asker: Asker) -> None:
        engine = self._serving()
        engine.ask(request, asker)

    def loras(self) -> list[str] | None:
        """Those of a failed engine too: the next one is given them."""
        return self._engine.loras()

    def embed(self, request: OfficialEmbed, embedding: Embedding) -> None:
        """See `official.embedding.Embedder`; asked only where the engine's facts name the task."""
        engine = self._serving()
        if not isinstance(engine, Embedder):
            raise Unavailable("the engine does not embed")
        engine.embed(request, embedding)

    def abort(self, rid: str) -> None:
        if self._state is State.SERVING:
            self._engine.abort(rid)

    def control(self, op: str, options: Mapping[str, Any]) -> Future[Mapping[str, Any]]:
        return self._serving().control(op, options)

    def vitals(self) -> Vitals:
        vitals = self._engine.vitals()
        return vitals if self._state is State.SERVING else Vitals(False, vitals.steps, 0)

    def processor_seconds(self) -> float:
        return self._engine.processor_seconds()

    def stats(self) -> Mapping[str, Any]:
        return {**self._engine.stats(), **self.health()}

    def health(self) -> Mapping[str, Any]:
        """For `health` and `stats`: never waits for the engine."""
        reason = self._reason
        if reason is None and self._state is State.SERVING and not self._engine.vitals().alive:
            reason = DIED  # which the watch is about to see
        return {"state": self._state.value, "reason": reason, "restarts": self._restarts}

    def stop(self, timeout: float) -> None:
        with self._changing:
            self._stopping.set()
            self._state = State.STOPPED
        # While an engine is being started this ends it, and with it the start.
        self._engine.stop(timeout)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._leave()

    def _serving(self) -> Engine:
        if self._state is not State.SERVING:
            raise Unavailable(self._reason or f"the engine is {self._state.value}")
        return self._engine

    def _serve(self) -> None:
        self._began = self._clock()
        self._change(State.SERVING, None)

    def _change(self, state: State, reason: str | None) -> None:
        """Raises Unavailable once the end has begun: nothing follows STOPPED."""
        with self._changing:
            self._refuse_to_go_on()
            self._state, self._reason = state, reason

    def _refuse_to_go_on(self) -> None:
        if self._stopping.is_set():
            raise Unavailable("the server is stopping")

    # On the watching thread.

    def _watch(self) -> None:
        going_on = True
        while going_on and not self._stopping.is_set():
            complaint = self._wait_for_complaint()
            going_on = complaint is not None and self._handle(complaint)

    def _wait_for_complaint(self) -> str | None:
        """None when the watch is over."""
        pulse = Pulse(self._settings.stall_seconds, self._settings.wedge_seconds)
        while not self._stopping.wait(self._settings.check_seconds):
            engine = self._engine
            complaint = pulse.feel(engine.vitals(), self._clock(), engine.processor_seconds)
            if complaint is not None and not self._stopping.is_set():
                return complaint
        return None

    def _handle(self, complaint: str) -> bool:
        """Whether another engine serves now."""
        logger.error("%s; its requests fail, then: %s", complaint, self._settings.on_failure)
        try:
            self._change(State.FAILED, complaint)
        except Unavailable:
            return False
        self.on_failure(Unavailable(complaint))
        self._backoff.served(self._clock() - self._began)
        if self._settings.on_failure == "stay":
            return False
        self._engine.stop(STOP_TIMEOUT)
        if self._settings.on_failure == "restart" and self._restart(complaint):
            return True
        if not self._stopping.is_set():
            logger.error("this process ends, because its engine has failed")
            self.on_exit()
        return False

    def _restart(self, complaint: str) -> bool:
        """Try until an engine serves, the attempts are used up, or the end comes."""
        while (pause := self._backoff.next()) is not None:
            if self._stopping.wait(pause):
                return False
            self._restarts += 1
            logger.info("starting the engine again (number %d)", self._restarts)
            try:
                self._change(State.STARTING, complaint)
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

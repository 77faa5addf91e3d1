"""How every request that an engine works on begins and ends, whatever op or client it comes from."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import BackendError, Timeout
from .cancellation import Poller
from .deadlines import Deadlines
from .gate import Gate
from .outbox import Channel
from .request_metrics import RequestMetrics
from .running_request import RunningRequest
from .running_requests import RunningRequests
from .session import Session


class Supervisor:
    """`run` watches over a request from its arrival to its end."""

    def __init__(
        self, running: RunningRequests, gate: Gate, deadlines: Deadlines, poller: Poller, metrics: RequestMetrics
    ) -> None:
        self._running = running
        self._gate = gate
        self._deadlines = deadlines
        self._poller = poller
        self._metrics = metrics

    def run(
        self,
        request: RunningRequest,
        transport: Channel | Session,
        timeout: float | None,
        submit: Callable[[], None],
    ) -> None:
        """Register the request, then call `submit`, which hands it to the engine, unless something stands against it.

        `transport` is how its records travel; `timeout` is in seconds. What stands against it once it is registered ends
        it with that error; before, this raises a BackendError and the request has not begun.
        """
        self._gate.check_serving()
        began = self._metrics.now()
        session = transport if isinstance(transport, Session) else None
        request.life.on_end = lambda: self._ended(request, began, session)
        if isinstance(transport, Session):
            transport.add(request)
        else:
            transport.on_broken = request.broken
        self._running.add(request)
        self._poller.wake()
        try:
            # Checked only now that the request is registered: whoever closes the gate, or finds the engine dead, ends all
            # registered requests afterwards. A request is refused here or ended there, and none can slip through between.
            self._gate.check()
            self._set_deadline(request, timeout)
            submit()
        except BackendError as failure:
            request.failed(failure)

    def _set_deadline(self, request: RunningRequest, seconds: float | None) -> None:
        if seconds is None:
            return
        late = Timeout(f"the deadline of {seconds:g} s has passed")
        request.deadline = self._deadlines.set(seconds, lambda: request.end(late))
        # It may have ended in between, and then its end has found no deadline to cancel.
        if request.life.ended:
            self._deadlines.cancel(request.deadline)

    def _ended(self, request: RunningRequest, began: float, session: Session | None) -> None:
        self._running.remove(request)
        if request.deadline is not None:
            self._deadlines.cancel(request.deadline)
        self._metrics.ended(request.outcome, began)
        if session is not None:
            session.remove(request)

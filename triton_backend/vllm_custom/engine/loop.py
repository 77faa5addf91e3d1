"""An event loop on a thread of its own, and on it the course of one request, the same for every engine.

open ──► sink.accepted ──► follow: sink.step, sink.step, … ──► (finished)
  │            │                      │
  │ raises     │ says no              │ raises, says no, or the task is cancelled
  ▼            ▼                      ▼
sink.failed   generation.abort       generation.abort
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ..contract.request import Generate
from ..contract.response import StepOutput
from ..errors import translate, translate_refusal
from .interface import Plan, Sink

logger = logging.getLogger(__name__)

T = TypeVar("T")


class LoopThread:
    """Runs one asyncio loop until stopped."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run to the end and give the result; TimeoutError leaves the coroutine cancelled."""
        future = self.post(coroutine)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    def processor_seconds(self) -> float:
        """Processor time of the loop's thread so far; 0 when it does not run."""
        if not self._thread.is_alive() or self._thread.ident is None:
            return 0.0
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    def stop(self, timeout: float) -> bool:
        """Cancel what is left, end the loop and its thread; False when the thread did not end in time."""
        if not self._thread.is_alive():
            if not self._loop.is_closed():
                self._loop.close()
            return True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._cancel_all())
        finally:
            self._loop.close()

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        # Not without end: a task that swallows its cancellation must not keep the process alive.
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        await asyncio.get_running_loop().shutdown_asyncgens()


Step = Callable[[StepOutput], bool]
"""Takes an output, without waiting; False when it wants no more."""


class Delivery:
    """Outputs on their way from whoever makes them to a `Step`, by plain calls: to wake a task for each token would cost
    more than all that is done with it. One task waits for the end. On one event loop only."""

    __slots__ = ("_ended", "_step")

    def __init__(self, step: Step) -> None:
        self._step = step
        self._ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def push(self, output: StepOutput) -> bool:
        """Hand over one output; False when no other should come."""
        if self._ended.done():
            return False
        try:
            going_on = self._step(output)
        except Exception as error:  # noqa: BLE001  raised again by `until_end`
            self.fail(error)
            return False
        if output.finished or not going_on:
            self._ended.set_result(output.finished)
            return False
        return True

    def fail(self, error: Exception) -> None:
        """No other output comes, because of this."""
        if not self._ended.done():
            self._ended.set_exception(error)

    async def until_end(self) -> bool:
        """See `Generation.follow`."""
        return await self._ended


class Generation(Protocol):
    """One request inside an engine."""

    @property
    def plan(self) -> Plan: ...
    async def follow(self, step: Step) -> bool:
        """Hand every output to `step` as it comes: True after the last, False when `step` wanted no more. Raises when the
        engine fails or gives the request up, and what `step` raises."""
        ...

    async def abort(self) -> None:
        """Free what the engine holds for this request; harmless once it has finished."""
        ...


class Opener(Protocol):
    async def open(self, request: Generate) -> Generation:
        """Check the request and queue it; raises what is wrong with it, or with the engine."""
        ...


class Course:
    """One request on its way through an engine; lives on the loop and is touched there only."""

    __slots__ = ("_generation", "_request", "_sink", "_task")

    def __init__(self, request: Generate, sink: Sink) -> None:
        self._request = request
        self._sink = sink
        self._generation: Generation | None = None
        self._task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        """End the course. While the engine is still taking the request this waits for `accepted` to say no: an engine
        interrupted between its own two registrations would keep the request for ever."""
        if self._generation is not None and self._task is not None:
            self._task.cancel()

    async def run(self, opener: Opener) -> None:
        self._task = asyncio.current_task()
        try:
            self._generation = generation = await opener.open(self._request)
        except Exception as exception:
            failure = translate_refusal(exception, self._request.body.keys())
            if failure.type == "internal":
                logger.exception("request %s was not taken", self._request.rid)
            self._sink.failed(failure)
            return
        finished = False
        try:
            finished = await self._follow(generation)
        except asyncio.CancelledError:
            logger.debug("request %s is aborted", self._request.rid)
        except Exception as exception:  # noqa: BLE001  `_fail` logs what is our fault
            self._fail(exception)
        finally:
            if not finished:
                await self._abort(generation)

    async def _follow(self, generation: Generation) -> bool:
        return self._sink.accepted(generation.plan) and await generation.follow(self._sink.step)

    def _fail(self, exception: Exception) -> None:
        failure = translate(exception)
        if failure.type == "internal":
            logger.error("request %s failed", self._request.rid, exc_info=exception)
        self._sink.failed(failure)

    async def _abort(self, generation: Generation) -> None:
        try:
            await generation.abort()
        except Exception as exception:
            # A dead engine holds nothing any more.
            if translate(exception).type != "unavailable":
                logger.exception("request %s could not be aborted in the engine", self._request.rid)


class Courses:
    """All requests of one engine, by rid; on the loop only."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._running: dict[str, Course] = {}

    @property
    def count(self) -> int:
        return len(self._running)

    async def run(self, request: Generate, sink: Sink) -> None:
        course = self._running[request.rid] = Course(request, sink)
        try:
            await course.run(self._opener)
        finally:
            del self._running[request.rid]

    async def abort(self, rid: str) -> None:
        if (course := self._running.get(rid)) is not None:
            course.cancel()

"""One generation inside vLLM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..contract.plan import Plan
from .generation import Delivery, Step

if TYPE_CHECKING:
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.output_processor import RequestOutputCollector


def _ignore(output: object) -> None:
    """Takes what still comes of a request that has ended here."""


class VllmGeneration:
    """See `generation.Generation`: follows the queue that vLLM fills for one request."""

    __slots__ = ("_count_step", "_llm", "_queue", "plan")

    def __init__(
        self, llm: AsyncLLM, queue: RequestOutputCollector, plan: Plan, count_step: Callable[[], object]
    ) -> None:
        self._llm = llm
        self._queue = queue
        self._count_step = count_step
        self.plan = plan

    async def follow(self, step: Step) -> bool:
        delivery, count_step = Delivery(step), self._count_step

        def put(output: RequestOutput | Exception) -> None:
            if isinstance(output, Exception):
                delivery.fail(output)
            else:
                count_step()
                delivery.push(output)

        # vLLM's output handler puts outputs into this queue and wakes the task that waits for them. It runs on this loop
        # too, so that it can call `put` here directly, and no task has to be woken.
        self._queue.put = put
        try:
            if (output := self._queue.get_nowait()) is not None:
                put(output)
            return await delivery.until_end()
        finally:
            self._queue.put = _ignore

    async def abort(self) -> None:
        await self._llm.abort(self._queue.request_id, internal=True)

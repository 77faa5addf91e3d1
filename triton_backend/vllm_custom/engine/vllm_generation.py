"""One generation inside vLLM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..contract.plan import Plan
from ..errors import BadRequest
from .generation import Delivery, Step

if TYPE_CHECKING:
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.output_processor import RequestOutputCollector


def _gave_up(output: RequestOutput) -> bool:
    """Whether it ended before it began: that is how vLLM ends a request whose grammar can't be compiled."""
    return all(choice.finish_reason == "error" and not choice.token_ids for choice in output.outputs)


def _ignore(output: object) -> None:
    """Takes what still comes of a request that has ended here."""


class VllmGeneration:
    """See `generation.Generation`: follows the queue that vLLM fills for one request."""

    __slots__ = ("_constrained_by", "_count_step", "_llm", "_queue", "plan")

    def __init__(
        self,
        llm: AsyncLLM,
        queue: RequestOutputCollector,
        plan: Plan,
        count_step: Callable[[], object],
        *,
        constrained_by: str | None = None,
    ) -> None:
        """`constrained_by` is the field of the request that holds the answer to a form, if one does."""
        self._llm = llm
        self._queue = queue
        self._count_step = count_step
        self._constrained_by = constrained_by
        self.plan = plan

    async def follow(self, step: Step) -> bool:
        delivery, count_step = Delivery(step), self._count_step

        def put(output: RequestOutput | Exception) -> None:
            if isinstance(output, Exception):
                delivery.fail(output)
            else:
                count_step()
                delivery.push(output)

        def first(output: RequestOutput | Exception) -> None:
            if not isinstance(output, Exception) and _gave_up(output):
                param = self._constrained_by
                delivery.fail(BadRequest(f"{param}: the engine can make no grammar of it", param=param))
            else:
                self._queue.put = put
                put(output)

        # vLLM's output handler puts outputs into this queue and wakes the task that waits for them. It runs on this loop
        # too, so that it can call `put` here directly, and no task has to be woken.
        self._queue.put = put if self._constrained_by is None else first
        try:
            if (output := self._queue.get_nowait()) is not None:
                self._queue.put(output)
            return await delivery.until_end()
        finally:
            self._queue.put = _ignore

    async def abort(self) -> None:
        await self._llm.abort(self._queue.request_id, internal=True)

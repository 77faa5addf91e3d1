"""What vLLM does for the control ops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import BadRequest

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM


async def control(llm: AsyncLLM, op: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Do the op, and return what is answered. On the engine's loop. Raises BadRequest for what this engine cannot do."""
    if op == "reset_prefix_cache":
        return {"reset": await llm.reset_prefix_cache()}
    if op not in ("sleep", "wake"):
        raise BadRequest(f"op {op!r} is not known to this engine", param="op")
    if not llm.model_config.enable_sleep_mode:
        # Without it vLLM would pause its scheduler and keep the memory, which is not what was asked for.
        raise BadRequest('sleeping needs "enable_sleep_mode": true in model.json, and a GPU', param="op")
    if op == "sleep":
        await llm.sleep(int(options["level"]))
        return {"asleep": True}
    await llm.wake_up()
    return {"asleep": False}

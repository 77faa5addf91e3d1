"""Loads LoRA adapters into vLLM, and unloads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..contract.lora import Lora
from ..errors import BadRequest
from .adapters import Adapter, Adapters
from .garbage import settle_new
from .interface import Result

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM


class LoraControl:
    """The adapters of one running engine; they are changed one at a time."""

    def __init__(self, llm: AsyncLLM, adapters: Adapters, *, enabled: bool) -> None:
        self._llm = llm
        self._adapters = adapters
        self.enabled = enabled and adapters.enabled
        self._busy = asyncio.Lock()

    async def perform(self, request: Lora) -> Result:
        """Load, unload or list; the result has the names that are loaded then. Raises BadRequest and NotFound."""
        if request.action != "list":
            async with self._busy:
                await (self._load(request) if request.action == "load" else self._unload(request))
        return Result({"loras": self._adapters.names})

    async def _load(self, request: Lora) -> None:
        if not self.enabled:
            raise BadRequest(
                "this engine takes no adapters: enable_lora and vllm_custom.lora_directory in model.json make it",
                param="action",
            )
        adapter = self._adapters.prepare(request.name, request.path)
        await self._add(adapter)
        self._adapters.add(adapter)
        # The first one brings modules with it.
        settle_new()

    async def load_all(self) -> None:
        """Load into this engine what it has to have from its start. Raises ConfigError."""
        await self._adapters.load_all(self._add)

    async def _add(self, adapter: Adapter) -> None:
        try:
            await self._llm.add_lora(lora_request(adapter))
        except Exception as error:
            if self._llm.errored:
                raise
            # Whatever is wrong with the folder arrives here as a plain error of the engine's process.
            raise BadRequest(f"the adapter could not be loaded: {error}", param="path") from error

    async def _unload(self, request: Lora) -> None:
        adapter = self._adapters.get_removable(request.name)
        # First out of the table, so that no new request finds it; those that use it keep it loaded until they end.
        self._adapters.remove(adapter)
        await self._llm.remove_lora(adapter.number)


def lora_request(adapter: Adapter) -> LoRARequest:
    """The adapter as vLLM names it, in its metrics too."""
    from vllm.lora.request import LoRARequest

    return LoRARequest(lora_name=adapter.name, lora_int_id=adapter.number, lora_path=str(adapter.path))

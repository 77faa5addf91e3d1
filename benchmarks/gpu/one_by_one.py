"""A Triton backend that serves as ours does, but sends as NVIDIA's vLLM backend does.

That one puts each output of the engine into a queue; a thread takes them one after the other, sends each as a response of
its own, and then asks Triton whether the client has gone (`src/model.py` of triton-inference-server/vllm_backend, 26.x). So
does this: one response per request and engine step, nothing is joined, and a question after each. The engine, the tensors
and the records are ours, so that the same gateway can stand before both, and what differs is the way of travel. What Triton
answers is not acted upon; nobody leaves early here.
"""

from __future__ import annotations

import importlib.util
import queue
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triton_backend.vllm_custom.model import TritonPythonModel as Ours
    from triton_backend.vllm_custom.serving import outbox


def _load(path: Path) -> ModuleType:
    """What Triton would load; it makes the package `vllm_custom`."""
    spec = importlib.util.spec_from_file_location("vllm_custom_model", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is missing")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if not TYPE_CHECKING:
    Ours = _load(Path(__file__).resolve().parent.parent / "vllm_custom" / "model.py").TritonPythonModel


class TritonPythonModel(Ours):
    """Ours, with another outbox, and without the thread that asks for all requests whether their clients have gone."""

    def initialize(self, args: dict[str, Any]) -> None:
        # Not before: the process that completes the configuration has not got what these import.
        if TYPE_CHECKING:
            from triton_backend.vllm_custom import instance
            from triton_backend.vllm_custom.serving import outbox
        else:
            from vllm_custom import instance
            from vllm_custom.serving import outbox

        class OneByOne(outbox.Outbox):
            """See above. Its queue holds what is to be done, one response each."""

            def post(
                self, channel: outbox.Channel, records: Sequence[Any], *, final: bool, blobs: Sequence[Any] = ()
            ) -> None:
                self._work.put(lambda: self._send_one(channel, records, final=final, blobs=blobs))

            def queue(self, channel: outbox.Channel) -> None:
                raise RuntimeError("there are no sessions here")

            def start(self) -> None:
                self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
                super().start()

            def stop(self, timeout: float) -> bool:
                self._work.put(None)
                return super().stop(timeout)

            def _run(self) -> None:
                while (work := self._work.get()) is not None:
                    work()

            def _send_one(
                self, channel: outbox.Channel, records: Sequence[Any], *, final: bool, blobs: Sequence[Any]
            ) -> None:
                channel.add(records, final=final, blobs=blobs)
                more = True
                while more:
                    shipment, more = channel.take()
                    channel.ship(shipment, self._send)
                if not final:
                    channel.is_cancelled()

        class Nobody(instance.Poller):
            """Asks for nobody: the outbox does."""

            def __init__(self, *_: Any, **__: Any) -> None:
                super().__init__(list)

        instance.Outbox = OneByOne
        instance.Poller = Nobody
        super().initialize(args)

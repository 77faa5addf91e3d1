"""What an engine's start leaves behind is not walked again at every full collection."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace

import pytest
from vllm_custom.contract.lora import Lora
from vllm_custom.engine import garbage, vllm_lora
from vllm_custom.engine.adapters import Adapters


class Circle:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before():
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def watched_circle():
    return weakref.ref(Circle())


def test_what_is_there_is_frozen():
    """Then a full collection has next to nothing to walk, and comes far more seldom."""
    garbage.settle()
    assert gc.get_freeze_count() > 10 * len(gc.get_objects())
    assert gc.get_threshold() == garbage.THRESHOLD


def test_garbage_is_not_frozen():
    """Circles that a start, or an engine before, has left behind go."""
    gc.disable()
    try:
        fresh = watched_circle()
        kept = Circle()
        of_old_engine = weakref.ref(kept)
        garbage.settle()
        assert fresh() is None
        del kept
        garbage.settle()
        assert of_old_engine() is None
    finally:
        gc.enable()


def are_frozen(objects):
    """Whether the collector walks none of them any more."""
    walked = {id(each) for each in gc.get_objects()}
    return not any(id(each) in walked for each in objects)


def test_new_objects_join_the_frozen():
    """While streams run nothing old is walked: a frozen circle stays until the next engine."""
    kept = Circle()
    found = weakref.ref(kept)
    garbage.settle()
    del kept
    new = [[] for _ in range(1000)]
    garbage.settle_new()
    assert are_frozen(new)
    assert found() is not None


def test_an_adapter_that_is_loaded_is_frozen(adapter_directory, monkeypatch):
    """What the load has brought is walked once."""
    made = []

    async def add_lora(request):
        made.extend([] for _ in range(1000))

    monkeypatch.setattr(vllm_lora, "lora_request", lambda adapter: adapter)
    llm = SimpleNamespace(add_lora=add_lora, errored=False)
    control = vllm_lora.LoraControl(llm, Adapters(adapter_directory), enabled=True)
    garbage.settle()
    asyncio.run(control.perform(Lora("r", "load", "poet", "poet", None)))
    assert len(made) == 1000
    assert are_frozen(made)


def test_a_stub_settles_with_each_engine(start, settled):
    """At the start, and again when an engine is replaced in place."""
    backend = start({"prompt": "die", "text": "ab", "die_at": 1}, vllm_custom={"backoff_seconds": 0.001})
    assert len(settled) == 1
    backend.generate("die").finish()
    while not backend.ask("health").finish()[0][3]["restarts"]:
        pass
    while len(settled) < 2:
        pass

"""What a request leaves behind in a worker."""

from __future__ import annotations

import gc
import time
from typing import Any

import httpx
import pytest

from gateway import memory
from tests.fakes.openai import chat, completion, streaming


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", chat()), ("/v1/completions", completion())])
def test_nothing_waits_for_the_collector(client: httpx.Client, path: str, body: dict[str, Any], stream: bool) -> None:
    """Objects in a circle would: of a long answer until the oldest generation is collected, which is hardly ever."""

    def ask() -> None:
        if stream:
            with streaming(client, body, path=path) as response:
                response.read()
        else:
            client.post(path, json=body)

    ask()
    time.sleep(0.1)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        ask()
        client.get("/livez")  # behind it on the same connection, whose protocol keeps the last request
        time.sleep(0.1)
        gc.collect()
        left = [each for each in gc.garbage if type(each).__module__.startswith(("gateway.", "uvicorn."))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls are glibc's; where they are missing nothing happens."""
    asked: list[tuple[int, ...]] = []

    class Glibc:
        def mallopt(self, *values: int) -> None:
            asked.append(values)

        def malloc_trim(self, *values: int) -> None:
            asked.append(values)

    for library in (Glibc(), object()):
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda _, library=library: library)
        memory.share_two_heaps()
        memory.give_back()
    assert asked == [(-8, 2), (0,)]

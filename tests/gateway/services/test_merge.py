"""Several generations as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from gateway.errors import Overloaded
from gateway.generation import Accepted, Delta, End, GenerationOutput, Usage
from gateway.services.merge import merged

pytestmark = pytest.mark.anyio

USAGE = Usage(1, 1, 0)


class Sources:
    """Makes sources and counts those that are open."""

    def __init__(self) -> None:
        self.open = 0

    async def answer(
        self, text: str, n: int = 1, *, error: Exception | None = None, silent: bool = False
    ) -> AsyncGenerator[list[GenerationOutput], None]:
        self.open += 1
        try:
            yield [Accepted(1)]
            for choice in range(n):
                yield [Delta(choice, text, 1, None)]
            if error:
                raise error
            if silent:
                await asyncio.Event().wait()
            yield [End(choice, "stop", None, USAGE if choice == n - 1 else None) for choice in range(n)]
        finally:
            self.open -= 1


async def test_choices_count_on() -> None:
    """Choice i of prompt k is k * n + i."""
    sources = Sources()
    stream = merged([sources.answer("a", 2), sources.answer("b", 2), sources.answer("c", 2)], 2)
    texts: dict[int, str] = {}
    ended: list[int] = []
    async for batch in stream:
        for output in batch:
            if isinstance(output, Delta):
                texts[output.choice] = output.text
            elif isinstance(output, End):
                ended.append(output.choice)
    assert texts == dict(enumerate("aabbcc"))
    assert sorted(ended) == [0, 1, 2, 3, 4, 5]
    assert sources.open == 0


async def test_first_error_ends_all() -> None:
    """It is raised as it is, and the others are closed."""
    sources = Sources()
    error = Overloaded("full")
    stream = merged([sources.answer("a", silent=True), sources.answer("b", error=error)], 1)
    with pytest.raises(Overloaded) as caught:
        [batch async for batch in stream]
    assert caught.value is error
    assert sources.open == 0


async def test_leaving_closes_all() -> None:
    """Whatever they are doing."""
    sources = Sources()
    async with aclosing(merged([sources.answer("a", silent=True) for _ in range(5)], 1)) as stream:
        await anext(stream)
        await asyncio.sleep(0)
        assert sources.open == 5
    assert sources.open == 0


async def test_slow_reader_holds_the_sources_back() -> None:
    """What nobody takes is not collected without end."""
    produced = 0

    async def endless() -> AsyncGenerator[list[GenerationOutput], None]:
        nonlocal produced
        while True:
            produced += 1
            yield [Delta(0, "x", 1, None)]

    async with aclosing(merged([endless()], 1)) as stream:
        await anext(stream)
        for _ in range(100):
            await asyncio.sleep(0)
        assert produced < 10

"""Which session a request travels by: one a model, replaced when it is old, and a pause after one that broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from gateway.triton import sessions as module
from gateway.triton.protocol import encode_bytes, pb
from gateway.triton.session import Session
from gateway.triton.sessions import Sessions

pytestmark = pytest.mark.anyio


class Wire:
    """Opens calls that end when the test says so, each with the words that its backend begins with."""

    def __init__(self, opens: bool = True) -> None:
        self.calls: list[FakeCall] = []
        self._opens = opens

    def __call__(self, requests: AsyncIterator[Any]) -> Any:
        self.calls.append(FakeCall(requests, self._opens))
        return self.calls[-1]

    def end(self) -> None:
        """All calls end."""
        for call in self.calls:
            call.ended.set()


class FakeCall:
    """One call: what was sent on it, and its end."""

    def __init__(self, requests: AsyncIterator[Any], opens: bool) -> None:
        self.ended = asyncio.Event()
        self._requests = requests
        self._opens = opens

    async def __aiter__(self) -> AsyncIterator[Any]:
        first = await anext(self._requests)
        if self._opens:
            yield _opening(first)
        await self.ended.wait()

    def cancel(self) -> None:
        self.ended.set()

    async def code(self) -> None:
        """Nothing to wait for."""


def _opening(request: Any) -> Any:
    """The backend's word that the session is open."""
    sid = orjson.loads(request.raw_input_contents[0][4:])["rid"]
    message = pb.ModelStreamInferResponse()
    message.infer_response.outputs.add(name="records", datatype="BYTES", shape=[1])
    records = [[sid, "frame", None, 0], [sid, "session", None, {"version": 1}]]
    message.infer_response.raw_output_contents.append(encode_bytes(orjson.dumps(records)))
    return message


class Clock:
    """The event loop's time, which goes on when the test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._ahead_s = 0.0
        real = asyncio.get_running_loop().time
        patch.setattr(asyncio.get_running_loop(), "time", lambda: real() + self._ahead_s)

    def pass_(self, seconds: float) -> None:
        self._ahead_s += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are the longest that chance may make them."""
    monkeypatch.setattr(module.random, "uniform", lambda _, most: most)


async def settle(holds: Callable[[], bool]) -> None:
    """Let the readers of the sessions have their turns."""
    for _ in range(20):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it has not happened")


def got(sessions: Sessions) -> Session:
    session = sessions.get("m")
    assert session is not None
    return session


async def test_first_request_opens_the_session() -> None:
    """The next ones share it; another model has another."""
    wire = Wire()
    sessions = Sessions(wire, allowed=True, max_age_s=60)
    for model in ("m", "n"):
        sessions.offer(model, offered=True)
    assert wire.calls == []
    first = got(sessions)
    assert got(sessions) is first
    assert sessions.get("n") is not first
    assert len(wire.calls) == 2
    wire.end()
    await sessions.close()


@pytest.mark.parametrize(("allowed", "offered"), [(True, False), (False, True), (True, None)])
async def test_no_session_where_none_is_wanted(allowed: bool, offered: bool | None) -> None:
    """By the backend, or by the settings; a model of which nothing is known has none."""
    wire = Wire()
    sessions = Sessions(wire, allowed=allowed, max_age_s=60)
    if offered is not None:
        sessions.offer("m", offered=offered)
    assert sessions.get("m") is None
    assert wire.calls == []
    await sessions.close()


async def test_old_session_is_replaced(clock: Clock) -> None:
    """It is broken when it has closed, and stays out of the way of the new one."""
    wire = Wire()
    sessions = Sessions(wire, allowed=True, max_age_s=60)
    sessions.offer("m", offered=True)
    old = got(sessions)
    clock.pass_(59)
    assert got(sessions) is old
    clock.pass_(2)
    new = got(sessions)
    assert new is not old
    wire.calls[0].ended.set()
    await settle(lambda: old.broken)
    assert got(sessions) is new
    wire.end()
    await sessions.close()


@pytest.mark.usefixtures("longest")
async def test_broken_session_is_missed_for_a_moment(clock: Clock) -> None:
    """For a second at most, since it was open; so often as it breaks."""
    wire = Wire()
    sessions = Sessions(wire, allowed=True, max_age_s=60)
    sessions.offer("m", offered=True)
    for _ in range(3):
        session = got(sessions)
        await settle(lambda session=session: session.opened)
        wire.calls[-1].ended.set()
        await settle(lambda session=session: session.broken)
        clock.pass_(0.9)
        assert sessions.get("m") is None
        clock.pass_(0.2)
    await sessions.close()


@pytest.mark.usefixtures("longest")
async def test_refused_session_is_tried_less_and_less(clock: Clock) -> None:
    """A backend that offers sessions and then refuses them costs a request now and then, not every one."""
    wire = Wire(opens=False)
    sessions = Sessions(wire, allowed=True, max_age_s=3600)
    sessions.offer("m", offered=True)
    for pause_s in (2, 4, 8, 16, 32, 60, 60):
        session = got(sessions)
        wire.calls[-1].ended.set()
        await settle(lambda session=session: session.broken)
        clock.pass_(pause_s - 0.5)
        assert sessions.get("m") is None
        clock.pass_(1)
    assert len(wire.calls) == 7
    await sessions.close()


async def test_pause_is_left_to_chance(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of it at least, so that a fleet comes back bit by bit."""
    asked: list[tuple[float, float]] = []
    monkeypatch.setattr(module.random, "uniform", lambda least, most: asked.append((least, most)) or least)
    wire = Wire()
    sessions = Sessions(wire, allowed=True, max_age_s=60)
    sessions.offer("m", offered=True)
    session = got(sessions)
    wire.calls[0].ended.set()
    await settle(lambda: session.broken)
    assert asked == [(0.1, 1)]
    await sessions.close()


async def test_closing_closes_all() -> None:
    """The old ones too; after it there is none."""
    wire = Wire()
    sessions = Sessions(wire, allowed=True, max_age_s=60)
    for model in ("m", "n"):
        sessions.offer(model, offered=True)
    live = [session for session in (got(sessions), sessions.get("n")) if session is not None]
    sessions.offer("n", offered=False)
    assert sessions.get("n") is None
    wire.end()
    await sessions.close()
    assert all(session.broken for session in live)
    assert sessions.get("m") is None

"""A client's side: bodies of requests, readers of streams, and scripts that wait for the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import httpx
import orjson

from tests.fakes import sdk_types
from tests.fakes.triton import CHAT_MODEL, Call, Message

WAIT_S = 5.0
"""Longest wait for what is to happen at once."""


def chat(**changes: Any) -> dict[str, Any]:
    """A body for `/v1/chat/completions`."""
    return {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "Hi"}], **changes}


def completion(**changes: Any) -> dict[str, Any]:
    """A body for `/v1/completions`."""
    return {"model": CHAT_MODEL, "prompt": "Hi", **changes}


def events(body: str) -> list[str]:
    """The data of each event of a whole body; checks the framing. Comments are left out."""
    assert body.endswith("\n\n")
    frames = [frame for frame in body.split("\n\n")[:-1] if not frame.startswith(":")]
    assert all(frame.startswith("data: ") for frame in frames)
    return [frame.removeprefix("data: ") for frame in frames]


def chunks(body: str) -> list[dict[str, Any]]:
    """The chunks of a complete stream, each of the SDK's type, `[DONE]` checked and taken off."""
    *data, done = events(body)
    assert done == "[DONE]"
    received = [orjson.loads(event) for event in data]
    for chunk in received:
        sdk_types.check(chunk)
    return received


@contextmanager
def streaming(
    client: httpx.Client, body: dict[str, Any], path: str = "/v1/chat/completions"
) -> Generator[httpx.Response, None, None]:
    with client.stream("POST", path, json={**body, "stream": True}) as response:
        yield response


def eventually(holds: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Wait until it holds, for what no event tells."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Gate:
    """A script that stops between two messages until the test opens it, or the call is cancelled.

    Use it as a context manager: the end opens it.
    """

    def __init__(self, before: int) -> None:
        """`before`: how many messages pass; 0 stops before anything, 1 after `accepted`, 2 after the first text."""
        self._before = before
        self.opened = threading.Event()

    def __call__(self, call: Call) -> Iterator[Message]:
        messages: list[Message] = [[call.accepted()], [call.delta("Hello")], [call.end()]]
        yield from messages[: self._before]
        while not (self.opened.wait(0.01) or call.cancelled.is_set()):
            pass
        yield from messages[self._before :]

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.opened.set()

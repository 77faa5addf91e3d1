"""What prompts cost: short to long, one and many at a time, conversations that grow, and questions that share a beginning.

Answers have one token. No two prompts are the same, but for what the row says that they share.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from typing import Any, Final

from benchmarks import subjects
from benchmarks.cost import Bench
from benchmarks.environment import say
from benchmarks.load import CHAT
from benchmarks.sources import FLOODED, triton_source
from benchmarks.subjects import Subject
from benchmarks.table import table
from benchmarks.triton_source import MODEL

COMPLETIONS: Final = "/v1/completions"
SHORT, LONG = 1000, 8000
GROWING, GROWING_COLD = "growing conversation", "growing conversation, cold"
SHARED, SHARED_COLD = "shared system prompt", "shared system prompt, cold"
_WORDS: Final = (
    "the ferry leaves harbour nine and comes back with tide weather permitting under bridge on Monday".split()
)
_TURN_TOKENS: Final = 50
_TURNS: Final = 20

Message = dict[str, str]


@dataclass(frozen=True)
class PromptCost:
    """`us`: CPU of the gateway a request, the least and the most of the repeats. `answer`: until an answer is whole, the
    median of the repeats. `worker_mb`: afterwards, the most."""

    what: str
    tokens: int
    at_once: int
    us: float
    us_most: float
    answer_p50_ms: float
    answer_slowest_ms: float
    worker_mb: float


@dataclass(frozen=True)
class _Asked:
    """What is asked, `at_once` at a time. `bodies` makes new ones each time; `first` are asked before the measurement."""

    what: str
    tokens: int
    at_once: int
    path: str
    bodies: Callable[[], list[dict[str, Any]]]
    first: Callable[[], list[dict[str, Any]]] = list[dict[str, Any]]


@dataclass(frozen=True)
class _Run:
    us: float
    seconds: Sequence[float]
    worker_mb: float


def measure(bench: Bench, repeats: int) -> list[PromptCost]:
    """In rounds, as everything that is compared."""
    folder, on = bench.load.folder, bench.cores
    with ExitStack() as stack:
        source = stack.enter_context(triton_source(folder, on.others, [MODEL]))
        subject = stack.enter_context(subjects.gateway(source, folder, on.measured))
        bench.warm_up(subject)
        source.set(FLOODED)
        runs: dict[int, list[_Run]] = {}
        for number in range(repeats):
            say(f"prompts, round {number + 1} of {repeats}")
            for place, asked in enumerate(_asked()):
                runs.setdefault(place, []).append(_run(subject, asked))
        return [_cost(asked, runs[place]) for place, asked in enumerate(_asked())]


def _asked() -> Iterator[_Asked]:
    for tokens, requests in ((SHORT, 64), (LONG, 32)):
        for at_once in (1, 20):
            yield _Asked("a new prompt", tokens, at_once, COMPLETIONS, lambda t=tokens, n=requests: _texts(t, n))
    conversation = _Conversation()
    yield _Asked(GROWING, LONG, 1, CHAT, conversation.turns, conversation.beginning)
    yield _Asked(GROWING_COLD, LONG, 1, CHAT, lambda: [_Conversation().turns()[-1] for _ in range(_TURNS)])
    system = _Conversation(system=True)
    yield _Asked(SHARED, LONG, 1, CHAT, system.questions, system.beginning)
    yield _Asked(SHARED_COLD, LONG, 1, CHAT, lambda: [_Conversation(system=True).questions()[0] for _ in range(_TURNS)])


_NUMBERS = count()


def _text(tokens: int) -> str:
    """A text that differs from all others from its beginning, of about so many tokens."""
    number = next(_NUMBERS)
    words = (_WORDS[(number * 7 + place * place) % len(_WORDS)] for place in range(tokens - 4))
    return " ".join([f"No. {number}:", *words])


def _texts(tokens: int, requests: int) -> list[dict[str, Any]]:
    return [{"model": MODEL, "prompt": _text(tokens), "max_tokens": 1} for _ in range(requests)]


def _chat(messages: Sequence[Message]) -> dict[str, Any]:
    return {"model": MODEL, "messages": messages, "max_tokens": 1}


class _Conversation:
    """One of 6,000 tokens at first, which grows to 8,000; `system`: a system prompt of that length, before each question."""

    def __init__(self, *, system: bool = False) -> None:
        if system:
            self._messages = [{"role": "system", "content": _text(LONG - _TURN_TOKENS)}]
        else:
            self._messages = [
                {"role": role, "content": _text(_TURN_TOKENS)} for _ in range(60) for role in ("user", "assistant")
            ]

    def beginning(self) -> list[dict[str, Any]]:
        """What it was asked before."""
        return [_chat([*self._messages, {"role": "user", "content": "?"}])]

    def turns(self) -> list[dict[str, Any]]:
        """Each with all that was said before it."""
        said = [{"role": role, "content": _text(_TURN_TOKENS)} for _ in range(_TURNS) for role in ("user", "assistant")]
        return [_chat([*self._messages, *said[: 2 * turn + 1]]) for turn in range(_TURNS)]

    def questions(self) -> list[dict[str, Any]]:
        """A new one each time."""
        return [_chat([*self._messages, {"role": "user", "content": _text(_TURN_TOKENS)}]) for _ in range(_TURNS)]


def _run(subject: Subject, asked: _Asked) -> _Run:
    _ask(subject.port, asked.path, asked.first(), 1)
    bodies = asked.bodies()
    before = subject.program.cpu()
    seconds = _ask(subject.port, asked.path, bodies, asked.at_once)
    used = subject.program.cpu() - before
    return _Run(used / len(bodies) * 1e6, seconds, subject.program.memory() / 1e6)


def _ask(port: int, path: str, bodies: Sequence[dict[str, Any]], at_once: int) -> list[float]:
    """How many seconds each answer took. Raises RuntimeError when one is none."""
    left = iter([json.dumps(body).encode() for body in bodies])

    def client(_: int) -> list[float]:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        took: list[float] = []
        for body in left:
            begun = time.perf_counter()
            connection.request("POST", path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            said = response.read()
            took.append(time.perf_counter() - begun)
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {said.decode(errors='replace')[:200]}")
        connection.close()
        return took

    with ThreadPoolExecutor(at_once) as pool:
        return [each for took in pool.map(client, range(at_once)) for each in took]


def _cost(asked: _Asked, runs: Sequence[_Run]) -> PromptCost:
    return PromptCost(
        what=asked.what,
        tokens=asked.tokens,
        at_once=asked.at_once,
        us=round(min(run.us for run in runs)),
        us_most=round(max(run.us for run in runs)),
        answer_p50_ms=round(statistics.median(statistics.median(run.seconds) for run in runs) * 1e3, 1),
        answer_slowest_ms=round(statistics.median(max(run.seconds) for run in runs) * 1e3, 1),
        worker_mb=round(max(run.worker_mb for run in runs), 1),
    )


def prompt_table(rows: Sequence[PromptCost]) -> str:
    head = ["prompts", "tokens", "at a time", "gateway us/request", "most", "answer p50 ms", "slowest ms", "worker MB"]
    return table(
        head,
        [
            [
                row.what,
                f"{row.tokens:,}",
                row.at_once,
                row.us,
                row.us_most,
                row.answer_p50_ms,
                row.answer_slowest_ms,
                row.worker_mb,
            ]
            for row in rows
        ],
    )

"""The load generator (native/load.c): what to ask for, and what it has seen."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHAT = "/v1/chat/completions"
LIMIT_S = 240.0
OPEN_LIMIT_S = 60.0
ENDLESS_TOKENS = 500_000
PROMPT = "Tell me about the water."
SLOWLY = "Tell me about the water, slowly."
"""Makes a difference to the real Triton alone: its script is chosen by it."""


@dataclass(frozen=True)
class Seen:
    """What arrived; times in milliseconds but where the name says otherwise. `first` is the first token of an answer, `gap`
    the time between tokens of a stream, `answer` a whole one. `cpu_seconds` are the load generator's own. Runs kept from
    before have no `gap_most_ms`, the longest gap."""

    answers: int
    errors: int
    events: int
    tokens: int
    reads: int
    bytes: int
    first_p50_ms: float
    first_p99_ms: float
    gap_p50_ms: float
    gap_p99_ms: float
    answer_p50_ms: float
    answer_p99_ms: float
    cpu_seconds: float
    seconds: float
    gap_most_ms: float | None = None


@dataclass(frozen=True)
class Held:
    """Streams that are open and stay so."""

    program: subprocess.Popen[bytes]

    def count_anew(self) -> None:
        """What came so far is forgotten."""
        self.program.send_signal(signal.SIGUSR1)

    def seen(self) -> Seen:
        """What came since; the streams are gone."""
        self.program.send_signal(signal.SIGTERM)
        return seen_by(self.program, 10.0)


@dataclass(frozen=True)
class Load:
    """The generator, compiled, and a folder for what it posts. It runs on the cores `on`."""

    program: Path
    folder: Path
    on: Sequence[int]

    def chat(self, port: int, model: str, *, streams: int, requests: int, tokens: int, stream: bool = True) -> Seen:
        """So many chats of so many tokens. Raises RuntimeError when not all of them arrive whole."""
        body = _chat(model, PROMPT, tokens=tokens, stream=stream)
        seen = self.ask(port, CHAT, body, streams=streams, requests=requests)
        if seen.tokens != requests * tokens:
            raise RuntimeError(f"{requests * tokens} tokens were asked for and {seen.tokens} came")
        return seen

    def ask(self, port: int, path: str, body: dict[str, Any], *, streams: int, requests: int) -> Seen:
        """So many requests with this body. Raises RuntimeError when one fails."""
        return seen_by(self._start(port, path, body, streams=streams, requests=requests))

    @contextmanager
    def held(
        self, port: int, model: str, *, streams: int, prompt: str = PROMPT, tokens: int = ENDLESS_TOKENS
    ) -> Generator[Held, None, None]:
        """So many chats that do not end for long, each with its first token, until the block is left."""
        body = _chat(model, prompt, tokens=tokens, stream=True)
        with held_open(self._start(port, CHAT, body, streams=streams, requests=0)) as held:
            yield held

    def _start(
        self, port: int, path: str, body: dict[str, Any], *, streams: int, requests: int
    ) -> subprocess.Popen[bytes]:
        posted = self.folder / "body.json"
        posted.write_text(json.dumps(body))
        command = ["taskset", "-c", ",".join(map(str, self.on)), self.program]
        command += [str(port), str(streams), str(requests), path, posted]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@contextmanager
def held_open(program: subprocess.Popen[bytes]) -> Generator[Held, None, None]:
    """Wait until a load generator says that its streams are open; it is killed with the block."""
    try:
        if program.stdout is None:
            raise RuntimeError("a load generator is heard through a pipe")
        if not select.select([program.stdout], [], [], OPEN_LIMIT_S)[0]:
            program.terminate()  # it then says how far it has come
        if (said := program.stdout.readline()) != b"open\n":
            raise RuntimeError(f"the streams did not open: {said.decode()}{program.communicate()[1].decode()}")
        yield Held(program)
    finally:
        program.kill()
        program.communicate()


def seen_by(program: subprocess.Popen[bytes], limit_s: float = LIMIT_S) -> Seen:
    """What a load generator prints when it ends. Raises RuntimeError when it fails, or when an answer was no good."""
    try:
        output, said = program.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        program.kill()
        program.communicate()
        raise RuntimeError(f"the load generator had no end within {limit_s} s") from None
    if program.returncode != 0:
        raise RuntimeError(f"the load generator: {said.decode()}")
    seen = Seen(**json.loads(output))
    if seen.errors:
        raise RuntimeError(f"{seen.errors} of {seen.answers} answers were no good: {said.decode()}")
    return seen


def _chat(model: str, prompt: str, *, tokens: int, stream: bool) -> dict[str, Any]:
    message = {"role": "user", "content": prompt}
    return {"model": model, "stream": stream, "max_tokens": tokens, "messages": [message]}

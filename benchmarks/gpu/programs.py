"""Programs that serve, and what each kind of process in them uses."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import processes

_KINDS = (
    ("EngineCore", "engine"),
    ("triton_python_backend_stub", "stub"),
    ("tritonserver", "triton"),
    ("-m gateway", "gateway"),
    ("vllm serve", "vllm serve"),
    ("engine_alone", "AsyncLLM"),
)
"""What the command line of a process holds, and what we call it."""


@dataclass(frozen=True)
class Program:
    """A program that runs, with all that it starts."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def family(self) -> list[psutil.Process]:
        """It and its descendants."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def cpu(self) -> dict[str, float]:
        """CPU seconds, user and system, that each kind of process in it has used."""
        seconds: dict[str, float] = {}
        for process, kind in self.kinds():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            seconds[kind] = seconds.get(kind, 0.0) + times.user + times.system
        return seconds

    def kinds(self) -> list[tuple[psutil.Process, str]]:
        """Its processes and what each is; one that does not show it is what its parent is."""
        found: dict[int, str] = {}
        grouped: list[tuple[psutil.Process, str]] = []
        for process in self.family():
            try:
                kind = _kind(process) or found.get(process.ppid(), "others")
            except psutil.Error:
                continue
            found[process.pid] = kind
            grouped.append((process, kind))
        return grouped

    def last_words(self) -> str:
        """The end of its log."""
        return f"--- {self.name}\n{self.log.read_text(errors='replace')[-6000:]}"

    def stop(self) -> None:
        """End it and its descendants."""
        processes.end(self.process)


def start(
    name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], *, piped: bool = False
) -> Program:
    """Start it; its output goes to a log in `folder`, but with `piped` its standard output and input are ours."""
    log = folder / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(environment),
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else output,
            stderr=output,
            start_new_session=True,
        )
    return Program(name, process, log)


def wait_for(url: str, programs: Sequence[Program], limit_s: float) -> None:
    """Until a GET of `url` is answered with 200. Raises RuntimeError when a program has ended, or the time is up."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and all(each.process.poll() is None for each in programs):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError("not ready:\n" + "\n".join(each.last_words() for each in programs))


def ask_capital(port: int, model: str) -> str:
    """What the model says is the capital of France."""
    message = {"role": "user", "content": "What is the capital of France?"}
    body = {"model": model, "messages": [message], "max_tokens": 20, "temperature": 0}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return str(json.load(response)["choices"][0]["message"]["content"])


def _kind(process: psutil.Process) -> str | None:
    command = " ".join(process.cmdline())
    return next((kind for mark, kind in _KINDS if mark in command), None)

"""Starts programs. Each runs in a session of its own, so that Ctrl-C reaches only this process, and each ends when this
process dies (leash.py)."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from gateway.cli.errors import Stopped

_LEASH = Path(__file__).with_name("leash.py")
_GRACE_S = 3.0


def start(
    command: Sequence[str | Path],
    *,
    output: int | IO[bytes],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a new session; stdout and stderr go to `output`. It gets SIGTERM if this process dies."""
    leashed = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *map(str, command)]
    return subprocess.Popen(
        leashed,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )


def run(
    command: Sequence[str | Path],
    *,
    stop: threading.Event,
    on_line: Callable[[str], None],
    on_tick: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run `command` until it ends and return its exit status.

    Another thread calls `on_line` with each line as it arrives; `on_tick` is called about twice a second. When `stop` is
    set, the program and its children are ended and `Stopped` is raised.
    """
    process = start(command, output=subprocess.PIPE, environment=environment)
    reader = threading.Thread(target=_read_lines, args=(process, on_line), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            if stop.wait(0.05):
                raise Stopped
            on_tick()
            _wait(process, 0.45)
        reader.join(_GRACE_S)
    finally:
        end_session(process)
    return process.returncode


def end_session(process: subprocess.Popen[bytes]) -> None:
    """End the process and the rest of its process group: first with SIGTERM, then with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        _signal_group(process.pid, number)
        _wait(process, _GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _read_lines(process: subprocess.Popen[bytes], on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None  # noqa: S101 - this file starts it with a pipe
    with process.stdout as stream:
        for line in stream:
            on_line(line.decode(errors="replace").rstrip())

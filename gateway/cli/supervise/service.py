"""One program under supervision: it is started, watched, and ended together with all its descendants."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli import children
from gateway.cli.supervise import processes
from gateway.cli.supervise.backoff import Backoff
from gateway.cli.supervise.logfile import LogFile


@dataclass(frozen=True)
class Program:
    """The program to start, and how long it may take to end."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    folder: Path
    grace_s: float


@dataclass
class Service:
    """A program and its present run. While it is not running, `not_before` is the time of the next start."""

    program: Program
    log: LogFile
    backoff: Backoff = field(default_factory=Backoff)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    not_before: float = 0.0

    def start(self, now: float) -> None:
        """Start it with a new log."""
        with self.log.begin() as output:
            self.process = children.start(
                self.program.command,
                output=output,
                environment=self.program.environment,
                folder=self.program.folder,
            )
        self.started = now

    def exit_reason(self) -> str | None:
        """Why it exited without being stopped, or None if it is running or was never started."""
        if self.process is None or self.process.poll() is None:
            return None
        return describe_exit(self.process.returncode)

    def members(self) -> list[int]:
        """The processes of the program, including those that survive the program itself."""
        return processes.members(self.process.pid) if self.process else []

    def stop(self, grace_s: float | None = None) -> None:
        """End all processes of the program: SIGTERM, then SIGKILL after `grace_s` (by default the program's own value)."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self._await_end(self.program.grace_s if grace_s is None else grace_s)
        processes.send(self.members(), signal.SIGKILL)
        self.process.wait()
        processes.wait_until_gone(self.members, 2.0)
        self.process = None

    def _await_end(self, seconds: float) -> None:
        assert self.process is not None  # noqa: S101 - stop, just above, has checked it
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return


def describe_exit(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal.Signals(-status).name}"

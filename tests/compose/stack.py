"""What `docker compose up` brings up, from one of the project's Compose files."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compose.engine import Docker

ROOT = Path(__file__).parents[2]
_COMPOSE = Path(sys.executable).with_name("docker-compose")


@dataclass(frozen=True)
class Stack:
    """A Compose project. `variables` are what a user would write into .env."""

    docker: Docker
    project: str
    files: tuple[Path, ...]
    variables: Mapping[str, str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str, limit_s: float = 300.0, check: bool = True) -> str:
        """`docker compose ARGUMENTS`."""
        files = [part for file in self.files for part in ("--file", str(file))]
        given = {**self.variables, "GATEWAY_PORT": str(self.port), "COMPOSE_PROJECT_NAME": self.project}
        return self.docker.command(
            str(_COMPOSE), *files, *arguments, limit_s=limit_s, check=check, folder=ROOT, environment=given
        )

    def up(self, limit_s: float = 240.0) -> float:
        """Until all is healthy; how many seconds that took."""
        started = time.monotonic()
        try:
            self.compose(
                "up", "--detach", "--no-build", "--wait", "--wait-timeout", str(int(limit_s)), limit_s=limit_s + 60
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()[-6000:]}") from None
        return time.monotonic() - started

    def down(self) -> None:
        """With its volumes."""
        self.compose("down", "--volumes", "--timeout", "30", check=False)

    def logs(self, service: str = "") -> str:
        """What the containers have printed."""
        return self.compose("logs", "--no-color", *([service] if service else []), check=False)

    def inspect(self, service: str) -> dict[str, Any]:
        """The engine's description of a service's container."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        return json.loads(self.docker.run("inspect", container))[0]

    def health(self, service: str) -> str:
        """`starting`, `healthy` or `unhealthy`."""
        return self.inspect(service)["State"]["Health"]["Status"]

    def run_in(self, service: str, *command: str) -> str:
        """A command in a running container; what it printed."""
        return self.compose("exec", "-T", service, *command)

    def processes(self, service: str, part_of_command: str = "") -> list[int]:
        """The processes in the container whose command line contains this, by their ids on this host."""
        container = self.compose("ps", "--quiet", service).strip()
        _, *lines = self.docker.run("top", container, "-ewwo", "pid,args").splitlines()
        return [int(line.split()[0]) for line in lines if part_of_command in line]

    def kill(self, service: str, part_of_command: str) -> None:
        """SIGKILL to the one process in the container whose command line contains this."""
        found = self.processes(service, part_of_command)
        assert len(found) == 1, f"{part_of_command}: {found}\n{self.logs(service)[-6000:]}"
        os.kill(found[0], signal.SIGKILL)

    def wait_for(self, condition: Callable[[], bool], what: str, limit_s: float = 180.0) -> None:
        """Until the condition holds; fails with the logs."""
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen within {limit_s:.0f} s:\n{self.logs()[-6000:]}")
            time.sleep(0.5)

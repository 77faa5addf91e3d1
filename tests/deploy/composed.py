"""What Compose makes of the files, by Compose itself. No engine is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.deploy.tools import ROOT, environment, installed, run

FILES = ("compose.yaml", "compose.cpu.yaml", "compose.scale.yaml")
PROFILES = ("observability",)


@dataclass(frozen=True)
class Case:
    """A command line of `docker compose`, and what stands in .env."""

    file: str
    profiles: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return "+".join((self.file, *self.profiles, *(f"{name}={value}" for name, value in self.variables)))

    def compose(self, *command: str) -> str:
        """What the command says. A developer's own .env does not count."""
        profiles = [f"--profile={profile}" for profile in self.profiles]
        before = [installed("docker-compose"), "--env-file", "/dev/null", "--file", self.file, *profiles]
        return run(*before, *command, cwd=ROOT, env=environment(**dict(self.variables))).stdout


CASES = [Case(file, profiles) for file in FILES for profiles in ((), *((each,) for each in PROFILES))]
WHOLE = [Case(file, PROFILES) for file in FILES]


@cache
def configured(case: Case) -> Any:
    """The project that Compose would start."""
    return json.loads(case.compose("config", "--format", "json"))


def services(case: Case) -> Iterator[tuple[str, Any]]:
    """Its services by name."""
    yield from configured(case)["services"].items()


def environment_of(service: Any) -> dict[str, str | None]:
    """The variables of a service; None: as the user has it, if at all."""
    return service.get("environment") or {}


def networks_of(service: Any) -> set[str]:
    """Their names."""
    return set(service["networks"])

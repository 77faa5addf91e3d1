"""Runs pip, writes its output into a log, and prints a line about its progress now and then."""

import itertools
import os
import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli import children
from gateway.cli.console import Throttle, on_terminal, say
from gateway.cli.errors import Problem
from gateway.cli.setup.pip_failures import advice, cause, is_passing, lacks_torch, telling, torch_index

_ATTEMPTS = 3
_LINES_SHOWN = 6
_LONGEST_LINE = 180
_INSTALL = ("install", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-input", "--progress-bar", "off")
_PACKAGE = re.compile(r"^(?:Collecting|Requirement already satisfied:) ([\w.-]+)")
_DOWNLOAD = re.compile(r"Downloading (\S+) \(([\d.]+) ([kMG]B)\)")
_CPU_TORCH = re.compile(r"^torch==\S+\+cpu\b", re.MULTILINE)
_PINNED = re.compile(r"^[\w.-]+==", re.MULTILINE)
_NOISE = ("WARNING: Location ", "[notice]")


@dataclass
class _Watch:
    """Turns pip's output into progress lines."""

    label: str
    total: int
    site: Path | None = None
    seen: int = 0
    state: str = "asking the index"
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=400))
    throttle: Throttle = field(default_factory=lambda: Throttle(5.0))

    def on_line(self, line: str) -> None:
        if line.startswith(_NOISE):
            return
        self.tail.append(line)
        if found := _PACKAGE.match(line):
            self.seen += 1
            self.state = f"fetching {self.seen} of {self.total}: {found[1]}"
        elif found := _DOWNLOAD.search(line):
            self.state = f"fetching {self.seen} of {self.total}: {found[1].rsplit('/')[-1]}, {found[2]} {found[3]}"
        elif line.startswith("Installing collected packages"):
            self.state = "installing"

    def on_tick(self) -> None:
        if on_terminal() and self.throttle.due():
            say(f"  {self.label}: {self.state}{self._installed()}")

    def _installed(self) -> str:
        if self.state != "installing" or self.site is None:
            return ""
        return f" {sum(1 for _ in self.site.glob('*.dist-info'))} of {self.total} packages"


@dataclass(frozen=True)
class Pip:
    """Installs lock files. `python` has pip and can install for any interpreter of the same version."""

    python: Path
    logs: Path
    stop: threading.Event
    pause_s: float = 5.0

    def into_environment(self, environment: Path, lock: Path) -> None:
        """Install a lock into a virtual environment.

        torch's CPU build is installed first and alone, so that an index without it shows before the long downloads.
        """
        site = next(environment.glob("lib/python3*/site-packages"), None)
        target = ["--python", str(environment / "bin" / "python")]
        if _CPU_TORCH.search(lock.read_text()):
            self._install(lock.with_name("torch.txt"), f"{environment.name} (torch)", target, [], site)
        self._install(lock, environment.name, target, [], site)

    def into_folder(self, folder: Path, lock: Path, label: str) -> None:
        """Install a lock as a folder for PYTHONPATH."""
        self._install(lock, label, [], ["--target", str(folder)], None)

    def _install(self, lock: Path, label: str, before: list[str], after: list[str], site: Path | None) -> None:
        total = len(_PINNED.findall(lock.read_text()))
        arguments = [*before, *_INSTALL, *after, "--requirement", str(lock)]
        extra: list[str] = []
        for attempt in itertools.count(1):
            watch = _Watch(label, total, site)
            if self._run(arguments + extra, watch) == 0:
                return
            self._write_log(label, watch)
            if not extra and lacks_torch(watch.tail) and torch_index():
                extra = ["--extra-index-url", torch_index()]
                say(f"  {label}: torch's CPU build is not on the configured index; asking {extra[1]} (TORCH_CPU_INDEX)")
            elif attempt < _ATTEMPTS and is_passing(watch.tail):
                say(f"  {label}: the download failed; trying again in {self.pause_s:.0f} s")
                self.stop.wait(self.pause_s)
            else:
                raise _problem(label, watch, self.logs)

    def _run(self, arguments: Sequence[str], watch: _Watch) -> int:
        return children.run(
            [self.python, "-m", "pip", *arguments],
            stop=self.stop,
            on_line=watch.on_line,
            on_tick=watch.on_tick,
            environment=_environment(os.environ),
        )

    def _write_log(self, label: str, watch: _Watch) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        _log(self.logs, label).write_text("\n".join(watch.tail) + "\n", encoding="utf-8")


def _log(folder: Path, label: str) -> Path:
    return folder / f"pip-{label.split()[0]}.log"


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """pip's environment. Older versions of pip do not read SSL_CERT_FILE; pip's own settings go before it."""
    environment = {**inherited, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    if (file := inherited.get("SSL_CERT_FILE")) and not inherited.get("CURL_CA_BUNDLE"):
        environment.setdefault("REQUESTS_CA_BUNDLE", file)
    return environment


def _problem(label: str, watch: _Watch, logs: Path) -> Problem:
    log = _log(logs, label)
    if why := cause(watch.tail):
        return Problem(f"pip could not install {label}: {why} ({log}).", advice(watch.tail, log))
    last = "\n".join(f"    {line[:_LONGEST_LINE]}" for line in telling(watch.tail)[-_LINES_SHOWN:])
    return Problem(f"pip could not install {label}. Its last words:\n{last}", advice(watch.tail, log))

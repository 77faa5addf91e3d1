"""Virtual environments and package folders, each from one lock file."""

import shutil
import sys
import threading
import venv
from dataclasses import dataclass
from pathlib import Path

from gateway.cli import children
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.setup import ready, stamps
from gateway.cli.setup.pip import Pip

CUDA = "-cuda"
"""The end of a lock's name with builds for CUDA, of an environment that has another lock for the CPU."""

_RECIPE = "1"
"""Part of every digest. Raise it when this file produces something else from the same lock."""


@dataclass(frozen=True)
class Environments:
    """Creates environments in one layout, for the Python that runs this."""

    layout: Layout
    stop: threading.Event

    def lock(self, name: str) -> Path:
        """The lock file of `name` for this Python: the one for CUDA if there is one and the layout asks for CUDA."""
        minor = f"py{sys.version_info.major}{sys.version_info.minor}"
        cuda = self.layout.requirements / f"{name}{CUDA}-{minor}.txt"
        return cuda if self.layout.cuda and cuda.exists() else self.layout.requirements / f"{name}-{minor}.txt"

    def is_done(self, folder: Path, name: str) -> bool:
        """Whether `folder` was completed from the present lock of `name`."""
        return stamps.is_done(folder, self.digest(name))

    def digest(self, name: str) -> str:
        """Changes when the lock or the interpreter changes."""
        return stamps.digest([_RECIPE, sys.version, sys.base_prefix, str(self.layout.root), self.lock(name)])

    def installer(self) -> Pip:
        """pip in an environment of its own, created on the first call, so that the others need no copy of pip."""
        folder = self.layout.pip
        value = stamps.digest([_RECIPE, sys.version, sys.base_prefix, str(self.layout.root)])
        if not stamps.is_done(folder, value):
            self._make_venv(folder, with_pip=True)
            stamps.mark_done(folder, value)
        return Pip(folder / "bin" / "python", self.layout.logs, self.stop)

    def make(self, name: str, installer: Pip) -> None:
        """Build the environment `name`. It is built in place, because environments can't be moved; a stamp marks it done."""
        folder = self.layout.environment(name)
        self._make_venv(folder, with_pip=False)
        installer.into_environment(folder, self.lock(name))
        stamps.mark_done(folder, self.digest(name))

    def make_folder(self, folder: Path, name: str, installer: Pip) -> None:
        """Install the lock of `name` as a folder for PYTHONPATH: first beside the target, then moved in one step."""
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        installer.into_folder(partial, self.lock(name), name)
        stamps.mark_done(partial, self.digest(name))
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    def _make_venv(self, folder: Path, *, with_pip: bool) -> None:
        ready.remove(folder)
        command = [sys.executable, "-m", venv.__name__, *([] if with_pip else ["--without-pip"]), str(folder)]
        lines: list[str] = []
        if children.run(command, stop=self.stop, on_line=lines.append) != 0:
            raise Problem(
                f"Python could not make the environment {folder}:\n    " + "\n    ".join(lines[-5:]),
                "install Python's venv module (Debian, Ubuntu: apt install "
                f"python3.{sys.version_info.minor}-venv) and run it again.",
            )

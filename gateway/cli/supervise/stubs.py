"""The processes of the models, each a stub of Triton's Python backend. It reads no clock and no process table.

Triton does not notice that the process of a loaded model has died: its requests would wait for ever. A process also ends
when its model is unloaded, loaded anew, or can't be loaded; Triton says so a moment later.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

GRACE_S = 1.0
"""Time for Triton to say that it has unloaded the model of a process that has ended."""
ILL_S = 5.0
"""For so long Triton must have said again and again that a process is not healthy: once may be a busy machine."""
_STUB = "triton_python_backend_stub"
_ILL = re.compile(r"Stub process '(.+)_\d+_\d+' is not healthy", re.ASCII)


@dataclass(frozen=True)
class Stub:
    """The process of a model; `pid` is None if it was gone before it was seen."""

    pid: int | None
    model: str


@dataclass
class Stubs:
    """Those of one run of Triton."""

    _models: dict[int, str] = field(default_factory=dict[int, str])
    _dead_since: dict[int, float] = field(default_factory=dict[int, float])
    _ill: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    """When Triton said first, and last, that a model's process is not healthy."""

    def remember(self, commands: Mapping[int, str], waiting: Collection[str]) -> None:
        """Remember the stubs among these processes, by pid and command line.

        Not those of the models in `waiting`: the process of a load that fails ends, while the model that was loaded before
        goes on.
        """
        found = {pid: _model(command) for pid, command in commands.items() if _STUB in command}
        self._models |= {pid: model for pid, model in found.items() if model not in waiting}

    def heed(self, line: str, now: float) -> None:
        """A line of the gateway's log, which tells what Triton answers to requests. A process that dies with its first
        request may never have been seen."""
        if found := _ILL.search(line):
            first, last = self._ill.get(found[1], (now, now))
            self._ill[found[1]] = (first if now - last < ILL_S else now, now)

    def forget(self, model: str | None) -> None:
        """Triton has unloaded the model."""
        if model is not None:
            self._ill.pop(model, None)
        self._models = {pid: other for pid, other in self._models.items() if other != model}

    def lost(self, now: float, loaded: Collection[str], is_alive: Callable[[int], bool]) -> Stub | None:
        """A stub that has died while its model is one of `loaded`, and Triton has not said that it has unloaded it."""
        for pid, model in list(self._models.items()):
            if is_alive(pid):
                continue
            if model not in loaded:
                del self._models[pid]
            elif now - self._dead_since.setdefault(pid, now) >= GRACE_S:
                return Stub(pid, model)
        ill = (model for model, (first, last) in self._ill.items() if model in loaded and last - first >= ILL_S)
        return next((Stub(None, model) for model in ill), None)


def _model(command: str) -> str:
    """The model of a stub process. A stub's command line contains the path of a file in <model>/<version>/."""
    parts = [Path(part).parts for part in command.split()[1:2]]
    return parts[0][-3] if parts and len(parts[0]) >= 3 else "a model"

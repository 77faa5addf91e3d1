"""The file that says which models are wanted: all but those that an administrator has unloaded.

`{"version": 1, "unloaded": ["/srv/models/llama"], "loads": {"/srv/models/llama": 2}}`: models by the paths of their folders,
and how often each was asked to be loaded anew. `triton-gateway load` and `unload` write it, and so does the reconciler for
what was unloaded by Triton's own API; the reconciler reads it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_NAME: Final = "models.json"
_LOCK: Final = "models.lock"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the administrator has said."""

    unloaded: frozenset[str] = frozenset()
    loads: dict[str, int] = field(default_factory=dict[str, int])

    def is_wanted(self, path: Path) -> bool:
        """Whether the model in this folder shall be loaded."""
        return str(path) not in self.unloaded

    def loads_of(self, path: Path) -> int:
        """How often it was asked to be loaded."""
        return self.loads.get(str(path), 0)

    def load(self, path: Path) -> Wanted:
        """With the model wanted and, if it is loaded, loaded anew."""
        return Wanted(self.unloaded - {str(path)}, self.loads | {str(path): self.loads_of(path) + 1})

    def unload(self, path: Path) -> Wanted:
        """With the model unloaded until the next `load`."""
        return Wanted(self.unloaded | {str(path)}, self.loads)


def read_wanted(state_dir: Path) -> Wanted:
    """What the file says; everything is wanted where there is none. Raises OSError, and ValueError for a file that is not
    ours."""
    path = state_dir / _NAME
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        return Wanted()
    try:
        content: dict[str, Any] = json.loads(written)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        return Wanted(frozenset(map(str, content["unloaded"])), {str(k): int(v) for k, v in content["loads"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} can't be read ({error}); move it aside to have every model loaded") from error


def change_wanted(state_dir: Path, change: Callable[[Wanted], Wanted]) -> None:
    """Write what `change` makes of what the file says. Nobody else writes meanwhile, and no reader sees half of the file.

    Raises as `read_wanted`.
    """
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(state_dir / _LOCK):
        before = read_wanted(state_dir)
        if (after := change(before)) != before:
            _write(state_dir, after)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(state_dir: Path, wanted: Wanted) -> None:
    content = {"version": _VERSION, "unloaded": sorted(wanted.unloaded), "loads": wanted.loads}
    aside = state_dir / f"{_NAME}.partial"
    aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    aside.replace(state_dir / _NAME)

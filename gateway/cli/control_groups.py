"""What the kernel's control groups say about the memory of this process, in version 1 and in version 2.

A limit may stand in the group of this process or in any group above it. A container often sees only a part of the tree,
which is mounted under another path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class _Names:
    """The names of a version's files, and of the values in them."""

    limit: str
    used: str
    reclaimable: str
    events: str


_VERSION_1: Final = _Names(
    "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control"
)
_VERSION_2: Final = _Names("memory.max", "memory.current", "inactive_file", "memory.events")


def available_bytes(root: Path = Path("/")) -> float:
    """The memory that programs can still take: the least of what the machine and each control group have left.

    `root` is the folder that contains proc and sys.
    """
    machine = _values(root / "proc" / "meminfo")["MemAvailable:"] * 1024
    left = (_left(folder, names) for folder, names in _groups(root))
    return min((machine, *(each for each in left if each is not None)))


def memory_kills(root: Path = Path("/")) -> int:
    """How many processes the kernel has killed for lack of memory: in the group of this process, or else on the machine."""
    for folder, names in _groups(root):
        values = _values(folder / names.events)
        if "oom_kill" in values:
            return values["oom_kill"]
    return _values(root / "proc" / "vmstat").get("oom_kill", 0)


def _left(folder: Path, names: _Names) -> float | None:
    limit, used = _number(folder / names.limit), _number(folder / names.used)
    if limit is None or used is None:
        return None
    # As with MemAvailable, files that were read and can be dropped again do not count as used.
    return limit - used + _values(folder / "memory.stat").get(names.reclaimable, 0)


def _groups(root: Path) -> Iterator[tuple[Path, _Names]]:
    """The memory groups of this process from its own to the highest one that is mounted, in each version in use."""
    own = _own_groups(root)
    for mounted, part, version in _mounts(root):
        names = _VERSION_1 if version == "cgroup" else _VERSION_2
        group = Path(own.get(version, part))
        below = group.relative_to(part) if group.is_relative_to(part) and ".." not in group.parts else Path()
        for folder in (mounted / below, *(mounted / above for above in below.parents)):
            yield folder, names


def _own_groups(root: Path) -> Mapping[str, str]:
    """The path of this process in the hierarchy of version 2, and in that of version 1 which counts memory."""
    found: dict[str, str] = {}
    for line in _lines(root / "proc" / "self" / "cgroup"):
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found["cgroup"] = path
        elif number == "0":
            found["cgroup2"] = path
    return found


def _mounts(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Where the hierarchies are mounted, which part of each, and their version by the name of its file system."""
    for line in _lines(root / "proc" / "self" / "mountinfo"):
        mount, _, source = line.partition(" - ")
        part, mounted = mount.split()[3:5]
        version, _, options = source.split(maxsplit=2)
        if version == "cgroup2" or (version == "cgroup" and "memory" in options.split(",")):
            yield root / mounted.lstrip("/"), part, version


def _values(file: Path) -> dict[str, int]:
    """The lines `name number` of a file; empty if there is no such file."""
    words = (line.split() for line in _lines(file))
    return {line[0]: int(line[1]) for line in words if len(line) >= 2 and line[1].isdecimal()}


def _number(file: Path) -> float | None:
    """The only number in the file; None without the file, or if it says `max`."""
    text = "".join(_lines(file))
    return float(text) if text.isdecimal() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []

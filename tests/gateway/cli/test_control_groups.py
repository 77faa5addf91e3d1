"""Twin of gateway/cli/control_groups.py: over files as kernels write them; tests/host sets real limits."""

from pathlib import Path

import pytest

from gateway.cli.control_groups import available_bytes, memory_kills

GB = 10**9
V2 = "30 24 0:26 {part} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 {part} /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
)


class Machine:
    """A root folder with 8 GB available, and the process in one group."""

    def __init__(self, root: Path, mounts: str, groups: str) -> None:
        self.root = root
        self.put("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\nHugePages_Total: 0\n")
        self.put("proc/vmstat", "nr_free_pages 5\noom_kill 7\n")
        self.put("proc/self/mountinfo", "24 1 0:1 / / rw - overlay overlay rw,lowerdir=/a\n" + mounts)
        self.put("proc/self/cgroup", groups)

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @property
    def available_gb(self) -> float:
        return available_bytes(self.root) / GB


def test_machine_without_groups(tmp_path: Path):
    """What the kernel calls available."""
    machine = Machine(tmp_path, "", "")
    assert machine.available_gb == 8.192
    assert memory_kills(tmp_path) == 7


@pytest.mark.parametrize("limited", ["", "user.slice", "user.slice/app.service"])
def test_limit_of_version_2_at_any_height(tmp_path: Path, limited: str):
    """systemd, for example, limits a slice above the service."""
    machine = Machine(tmp_path, V2.format(part="/"), "0::/user.slice/app.service\n")
    for group in ("user.slice", "user.slice/app.service"):
        machine.put(f"sys/fs/cgroup/{group}/memory.max", "max\n")
        machine.put(f"sys/fs/cgroup/{group}/memory.current", "500\n")
    machine.put(f"sys/fs/cgroup/{limited}/memory.max", f"{3 * GB}\n")
    machine.put(f"sys/fs/cgroup/{limited}/memory.current", f"{2 * GB}\n")
    assert machine.available_gb == 1.0
    machine.put(f"sys/fs/cgroup/{limited}/memory.stat", f"anon 5\ninactive_file {GB}\n")
    assert machine.available_gb == 2.0


@pytest.mark.parametrize(("part", "group"), [("/", "/docker/1"), ("/docker/1", "/docker/1"), ("/docker/1", "/")])
def test_limit_of_version_1(tmp_path: Path, part: str, group: str):
    """The mount shows the whole tree, or only the container's part, with the path of the host or without."""
    machine = Machine(tmp_path, V1.format(part=part), f"5:memory:{group}\n3:cpu,cpuacct:/docker/1\n0::/\n")
    seen = "sys/fs/cgroup/memory" + ("/docker/1" if part == "/" else "")
    machine.put(f"{seen}/memory.limit_in_bytes", f"{4 * GB}\n")
    machine.put(f"{seen}/memory.usage_in_bytes", f"{2 * GB}\n")
    machine.put(f"{seen}/memory.stat", f"inactive_file 5\ntotal_inactive_file {GB}\n")
    machine.put(f"{seen}/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert machine.available_gb == 3.0
    assert memory_kills(tmp_path) == 3


def test_kills_of_version_2(tmp_path: Path):
    """Of the group of this process, not of the machine's other containers."""
    machine = Machine(tmp_path, V2.format(part="/"), "0::/a\n")
    machine.put("sys/fs/cgroup/a/memory.events", "low 0\noom 2\noom_kill 1\n")
    assert memory_kills(tmp_path) == 1


def test_group_outside_of_what_is_mounted(tmp_path: Path):
    """Its path leads upwards; the mounted part counts."""
    machine = Machine(tmp_path, V2.format(part="/a"), "0::/../b\n")
    machine.put("sys/fs/cgroup/memory.max", f"{GB}\n")
    machine.put("sys/fs/cgroup/memory.current", "0\n")
    assert machine.available_gb == 1.0


def test_this_machine():
    """Whichever versions it has."""
    assert 0 < available_bytes() < 10**15
    assert memory_kills() >= 0

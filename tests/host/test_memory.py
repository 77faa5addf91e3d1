"""Memory and /dev/shm, with limits that the kernel enforces."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.host.hosts import Checkout, run, with_mounts

MB = 2**20
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@pytest.mark.parametrize(("size", "is_told"), [("64m", True), ("256m", True), ("1g", False)])
def test_small_shared_memory(checkout: Checkout, size: str, is_told: bool) -> None:
    """Docker's 64 MB by default, and its --shm-size=1g."""
    said = checkout.run("doctor", before=with_mounts(f"mount -t tmpfs -o size={size} tmpfs /dev/shm"))
    assert ("WRONG Triton and the engine need /dev/shm" in said.out) is is_told


@contextmanager
def limited(megabytes: int) -> Generator[str, None, None]:
    """A control group below one that is limited, in the version that counts memory here: a shell command that enters it."""
    outer = (V1 if V1.is_dir() else V2) / "triton-gateway-test"
    inner = outer / "inner"
    try:
        outer.mkdir()
        if not V1.is_dir():
            (V2 / "cgroup.subtree_control").write_text("+memory")
            (outer / "cgroup.subtree_control").write_text("+memory")
        inner.mkdir()
        limit = outer / ("memory.limit_in_bytes" if V1.is_dir() else "memory.max")
        if V1.is_dir():
            (outer / "memory.use_hierarchy").write_text("1")
        limit.write_text(str(megabytes * MB))
    except OSError as error:
        for folder in (inner, outer):
            if folder.is_dir():
                folder.rmdir()
        pytest.skip(f"control groups can't be made here: {error}")
    try:
        yield f"echo $$ > {inner}/cgroup.procs"
    finally:
        inner.rmdir()
        outer.rmdir()


def inside(enter: str) -> list[str]:
    return ["sh", "-ec", f'{enter}; exec "$@"', "sh"]


def test_limit_of_a_group_above(checkout: Checkout) -> None:
    """`doctor` sees it from inside, and `up` refuses."""
    with limited(900) as enter:
        said = checkout.run("doctor", before=inside(enter))
        assert "WRONG Too little memory: 0." in said.out
        refused = checkout.run("up", "--port", "1", before=inside(enter))
        assert refused.is_a_sentence, refused
        assert "Too little memory: 0." in refused.err


KILLED = """
import subprocess, sys
from gateway.cli.control_groups import memory_kills
from gateway.cli.supervise.advice import Failure, advice
before = memory_kills()
ended = subprocess.run([sys.executable, "-c", "b'x' * 300_000_000"])
print(ended.returncode, memory_kills() - before)
print(advice(Failure(f"ended by itself (killed by SIGKILL)", [], [], memory_kills() - before)))
"""


def test_kill_for_memory_is_told() -> None:
    """The kernel kills a child, and its word is found."""
    with limited(100) as enter:
        said = run([*inside(enter), sys.executable, "-c", KILLED])
    assert said.out.startswith("-9 1\n"), said
    assert "for lack of memory" in said.out

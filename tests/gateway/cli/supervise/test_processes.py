"""Twin of gateway/cli/supervise/processes.py, over real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator

import pytest

from gateway.cli.supervise import processes

LIMIT_S = 10.0


@pytest.fixture
def family() -> Generator[tuple[int, int], None, None]:
    """A program in a session of its own, and its child: their process ids."""
    program = "import subprocess, sys; c = subprocess.Popen(['sleep', '60']); print(c.pid, flush=True); c.wait()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        yield parent.pid, child
        processes.send([parent.pid, child], signal.SIGKILL)


def test_a_program_is_found_with_what_is_below_it(family: tuple[int, int]):
    """As members of its session, and as descendants of ours."""
    parent, child = family
    assert processes.members(parent) == sorted(family)
    assert processes.descendants(parent) == [child]
    assert set(family) <= set(processes.descendants(os.getpid()))
    [found] = [process for process in processes.snapshot() if process.pid == child]
    assert (found.parent, found.session, found.is_zombie) == (parent, parent, False)


def test_an_orphan_still_belongs_to_its_program(family: tuple[int, int]):
    """Its session says so, when its parent is gone."""
    parent, child = family
    os.kill(parent, signal.SIGKILL)
    os.waitid(os.P_PID, parent, os.WEXITED | os.WNOWAIT)
    assert processes.members(parent) == [child]


def test_a_zombie_does_not_run(family: tuple[int, int]):
    """It has ended, though nobody has asked about it yet."""
    parent, _ = family
    assert processes.is_alive(parent)
    os.kill(parent, signal.SIGKILL)
    os.waitid(os.P_PID, parent, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(parent)
    assert [process.is_zombie for process in processes.snapshot() if process.pid == parent] == [True]


def test_the_command_line_is_told_in_words(family: tuple[int, int]):
    """Nothing of what has ended."""
    _, child = family
    # At first the child is a copy of its parent that has not become its program.
    assert processes.wait_until_gone(lambda: [child] if processes.command_line(child) != "sleep 60" else [], LIMIT_S)
    os.kill(child, signal.SIGKILL)
    assert processes.wait_until_gone(lambda: [child] if processes.is_alive(child) else [], LIMIT_S)
    assert processes.command_line(child) == ""


def test_those_that_are_gone_need_no_signal():
    """Others still get theirs."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    with subprocess.Popen(["sleep", "60"]) as running:
        processes.send([ended.pid, running.pid], signal.SIGTERM)
        assert running.wait(LIMIT_S) == -signal.SIGTERM


def test_waiting_ends_in_time():
    """Whether they are gone or not."""
    assert processes.wait_until_gone(list, 0.0)
    assert not processes.wait_until_gone(lambda: [1], 0.0)


def test_orphans_are_collected_and_children_spared():
    """By a subreaper, in a process of its own: those it started itself are collected by who started them.

    The orphan ends only when the shell has gone, which would collect it otherwise.
    """
    program = (
        "import os, subprocess, time\n"
        "from gateway.cli.supervise import processes\n"
        "processes.become_subreaper()\n"
        "own = subprocess.Popen(['true'])\n"
        "held, end = os.pipe()\n"
        "script = f'cat <&{held} >/dev/null & echo $!'\n"
        "made = subprocess.run(['sh', '-c', script], stdout=subprocess.PIPE, pass_fds=[held])\n"
        "os.close(end)\n"
        "orphan = int(made.stdout)\n"
        "zombies = lambda: {p.pid for p in processes.snapshot() if p.is_zombie and p.parent == os.getpid()}\n"
        "while zombies() != {own.pid, orphan}: time.sleep(0.01)\n"
        "processes.reap_orphans([own.pid])\n"
        "print(zombies() == {own.pid}, own.wait())\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert ended.stdout == "True 0\n"

"""Twin of gateway/cli/children.py and leash.py."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.cli import children
from gateway.cli.errors import Stopped
from gateway.cli.supervise import processes

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 10.0


def test_lines_and_status_come_back():
    """Both streams, line by line, and the exit status."""
    lines: list[str] = []
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    status = children.run([sys.executable, "-c", program], stop=threading.Event(), on_line=lines.append)
    assert (status, lines) == (3, ["out", "err"])


def test_stop_ends_the_program_and_its_children():
    """Ctrl-C in the middle of a step leaves nothing running."""
    stop, pids = threading.Event(), []

    def on_line(line: str) -> None:
        pids.append(int(line))
        stop.set()

    program = "sleep 60 & echo $!; wait"
    with pytest.raises(Stopped):
        children.run(["sh", "-c", program], stop=stop, on_line=on_line)
    assert processes.wait_until_gone(lambda: [pid for pid in pids if processes.is_alive(pid)], LIMIT_S)


def test_a_child_does_not_outlive_us():
    """A parent that is killed cannot end its child; the kernel does."""
    program = "from gateway.cli import children\nimport signal\n"
    program += "print(children.start(['sleep', '60'], output=-3).pid, flush=True)\nsignal.pause()"
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    while not processes.command_line(child).startswith("sleep"):
        time.sleep(0.01)
    parent.kill()
    parent.communicate()
    assert processes.wait_until_gone(lambda: [child] if processes.is_alive(child) else [], LIMIT_S)

"""Engines that share a GPU start one after the other."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from vllm_custom.errors import Unavailable
from vllm_custom.gpus.turns import Turns

ROOT = Path(__file__).parents[4]
HOLDER = """
import sys, time
from pathlib import Path
from tests.triton_backend.vllm_custom import conftest
from vllm_custom.gpus.turns import Turns
with Turns(Path(sys.argv[1]), "other", ("GPU-1",), 5.0).take():
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process, which starts an engine on GPU-1 for ever."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        yield process
        process.kill()


def test_another_gpu_is_free(holder, tmp_path):
    """And an engine on the CPU has none to wait for."""
    with Turns(tmp_path, "m", ("GPU-2",), 0.0).take(), Turns(tmp_path, "n", (), 0.0).take():
        assert holder.poll() is None


def test_waiting_ends_at_the_deadline(holder, tmp_path):
    """With the name of the model that is in the way, its process, and the setting."""
    with pytest.raises(Unavailable) as refused, Turns(tmp_path, "m", ("GPU-1", "GPU-2"), 0.3).take():
        pytest.fail("it is not its turn")
    assert f"because other (process {holder.pid}) had not started within 0.3 s" in str(refused.value)
    assert "gpu_turn_seconds" in str(refused.value)


def test_each_that_comes_before_has_the_whole_time(tmp_path, caplog):
    """Together they may take longer than one alone."""
    now = 0.0

    def pause(seconds):
        """Let 6 s go by; after 12 s the first has started and the second begins, after 24 s it has started too."""
        nonlocal now
        now += 6.0
        if now == 12.0:
            file.truncate(0)
            file.write("second")
            file.flush()
        elif now == 24.0:
            fcntl.flock(file, fcntl.LOCK_UN)

    with (tmp_path / "start-GPU-1.lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("first")
        file.flush()
        with caplog.at_level("INFO"), Turns(tmp_path, "m", ("GPU-1",), 15.0, lambda: now, pause).take():
            assert now == 24.0
    assert "on which first starts" in caplog.text
    assert "on which second starts" in caplog.text


def test_turn_comes_when_the_other_has_died(holder, tmp_path, caplog):
    """By SIGKILL: nobody can be left behind the door."""
    threading.Timer(0.3, os.kill, (holder.pid, signal.SIGKILL)).start()
    with caplog.at_level("INFO"), Turns(tmp_path, "m", ("GPU-1",), 20.0).take():
        assert holder.wait(5) == -signal.SIGKILL
    assert "m waits for GPU GPU-1, on which other" in caplog.text


def test_starts_do_not_overlap(tmp_path):
    """Whatever the order in which they name their devices."""
    inside, most = [], []

    def start(name, devices):
        with Turns(tmp_path, name, devices, 20.0).take():
            inside.append(name)
            most.append(len(inside))
            time.sleep(0.05)
            inside.remove(name)

    threads = [
        threading.Thread(target=start, args=(str(n), ("a", "b") if n % 2 else ("b", "a")), daemon=True)
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1, 1, 1, 1]


def test_folder_that_cannot_be_used_is_a_warning(tmp_path, caplog):
    """Serving goes on."""
    with Turns(tmp_path / "none", "m", ("GPU-1",), 0.0).take():
        assert "may start at the same time" in caplog.text

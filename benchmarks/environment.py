"""Where a run happens: the machine, what is installed, and the folder and the load generator that all parts use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.cost import Bench
from benchmarks.load import Load
from benchmarks.processes import allow_many_files, build, cores, work_folder
from gateway.cli.layout import find_layout

_BEGUN = time.monotonic()


@contextmanager
def started() -> Generator[Bench, None, None]:
    """All that the measurements need; this process itself keeps off the measured core."""
    allow_many_files()
    placed = cores()
    os.sched_setaffinity(0, placed.others)
    with work_folder() as folder:
        yield Bench(Load(build(folder, "load"), folder, placed.others), placed)


def machine() -> dict[str, str]:
    """What a figure has to be read with."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{_processor()}, {psutil.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _commit(),
        "load average at the start (1, 5, 15 minutes)": load,
    }


def say(what: str) -> None:
    """Progress, for people."""
    sys.stderr.write(f"[{time.monotonic() - _BEGUN:5.0f} s, load {os.getloadavg()[0]:.1f}] {what}\n")
    sys.stderr.flush()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    """Of the checkout, with a plus where it has been changed; empty outside of one."""
    command = ["git", "-C", str(find_layout().root), "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip()

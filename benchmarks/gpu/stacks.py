"""Where the time goes: py-spy at the processes of an arm while it is loaded.

What is recorded is who holds the interpreter's lock, since that is what a Python process has one of.
"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.gpu.arms import Arm

_SECONDS = 4
_RATE = 200
_REQUESTS = 3
"""A stream, of which there are enough to last as long as the recording."""


def record(arm: Arm, py_spy: str, streams: int, folder: Path) -> None:
    """Stacks by process into `folder`, in the format of flame graphs; one process of each kind."""
    processes = {kind: process.pid for program in arm.programs for process, kind in program.kinds()[::-1]}
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(arm.load, streams, _REQUESTS * streams)
        recordings: list[subprocess.Popen[bytes]] = []
        for kind, pid in processes.items():
            output = folder / f"{arm.name}-{kind}.stacks".replace(" ", "-").replace(",", "")
            options = ["--duration", str(_SECONDS), "--rate", str(_RATE), "--format", "raw", "--threads", "--gil"]
            command = [py_spy, "record", "--pid", str(pid), *options, "--output", output]
            recordings.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for recording in recordings:
            recording.wait()
        load.result()

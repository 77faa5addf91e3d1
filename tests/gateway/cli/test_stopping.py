"""Signals that stop the program, however many come and whatever they interrupt."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

BUSY = """
import time
from gateway.cli.stopping import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
until = time.monotonic() + 1.0
while time.monotonic() < until:
    stop.set()
    stop.clear()
print("asked", flush=True)
print(stop.wait(10), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_many_signals_at_once_stop_it(number: signal.Signals) -> None:
    """Those that come while the event is being set do not wait for its lock, and the last one counts."""
    with subprocess.Popen([sys.executable, "-c", BUSY], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        until = time.monotonic() + 0.9
        while time.monotonic() < until:
            process.send_signal(number)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(number)
        assert process.stdout.readline() == "True\n"
        assert process.wait(10) == 0

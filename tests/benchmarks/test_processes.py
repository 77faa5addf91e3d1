"""What programs use is read from outside."""

from __future__ import annotations

import time

import psutil

from benchmarks.processes import used


def test_used_is_the_time_of_the_process_itself() -> None:
    """It lies between two readings that the process makes of its own clock."""
    before = time.process_time()
    seen = used([psutil.Process()])
    assert before < seen < time.process_time()

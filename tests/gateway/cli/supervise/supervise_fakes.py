"""The real supervisor over the programs in fake_programs.py, as a process of its own: it takes over orphans and signals."""

import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from gateway.cli.console import complain, say
from gateway.cli.errors import Problem
from gateway.cli.supervise import readiness, shared_memory
from gateway.cli.supervise.backoff import Backoff
from gateway.cli.supervise.logfile import LogFile
from gateway.cli.supervise.service import Program, Service
from gateway.cli.supervise.supervisor import Hooks, Supervisor

FAKES = Path(__file__).with_name("fake_programs.py")


def main(folder: Path) -> int:
    """Supervise until SIGTERM."""
    (folder / "prefix").write_text(shared_memory.prefix())
    port = int((folder / "port").read_text())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    hooks = Hooks(
        partial(readiness.ask, "127.0.0.1", port),
        lambda: say("READY"),
        find_obstacle=lambda: Problem("The GPU has gone.", "") if (folder / "no gpu").exists() else None,
    )
    try:
        Supervisor(*(service(name, folder) for name in ("triton", "reconciler", "gateway")), hooks, stop).run()
    except Problem as problem:
        complain(str(problem))
        return 1
    return 0


def service(name: str, folder: Path) -> Service:
    """A fake under supervision, with impatient back-off."""
    command = [sys.executable, str(FAKES), name, str(folder)]
    program = Program(name, command, os.environ, folder, grace_s=1.0)
    return Service(program, LogFile(folder / f"{name}.log"), Backoff(next_s=0.1))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""Run a program that gets SIGTERM when the process that started it dies, for whatever reason.

`python -I -S leash.py PARENT_PID PROGRAM ARGUMENT…`. This is a separate program because a `preexec_fn` may deadlock in a
process with threads. The setting survives the exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Set the signal, check that the parent is still alive, then exec the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(143)
    os.execvp(program[0], program)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()

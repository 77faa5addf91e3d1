"""`python -m gateway.repository.change load|unload FOLDER`: note that the model in this folder is wanted, or is not.

The reconciler of the Triton that serves the folder does it within a second or two.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.repository.wanted import read_wanted, write_wanted
from gateway.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 2 when the state can't be read or written, which stderr explains."""
    action, folder = arguments[0], Path(arguments[1])
    try:
        state_dir = Settings().state_dir
        wanted = read_wanted(state_dir)
        write_wanted(state_dir, wanted.load(folder) if action == "load" else wanted.unload(folder))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m gateway.repository.change load|unload FOLDER`: note that the model in this folder is wanted, or is not.

The reconciler of the Triton that serves the folder does it within a second or two.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.mistakes import what_is_wrong
from gateway.repository.wanted import Wanted, change_wanted
from gateway.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 2 when the state can't be read or written, which stderr explains."""
    action, folder = arguments[0], Path(arguments[1])
    try:
        change_wanted(Settings().state_dir, lambda wanted: _changed(wanted, action, folder))
    except ValueError as error:
        sys.stderr.writelines(f"{line}\n" for line in what_is_wrong(error))
        return 2
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _changed(wanted: Wanted, action: str, folder: Path) -> Wanted:
    return wanted.load(folder) if action == "load" else wanted.unload(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

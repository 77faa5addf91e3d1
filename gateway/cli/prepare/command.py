"""The command line that the scripts of this folder share: `--out`, progress lines, and a plain message on failure."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from publish import published
from sources import SourceMissing


def run(description: str, prepare: Callable[[Path], None]) -> int:
    """Parse `--out DIR` and let `prepare` fill it. Returns the exit status: 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write or replace")
    out: Path = parser.parse_args().out
    started = time.monotonic()
    try:
        with published(out) as folder:
            prepare(folder)
    except SourceMissing as error:
        print(error, file=sys.stderr)
        return 1
    progress(f"wrote {out} in {time.monotonic() - started:.0f} s")
    return 0


def progress(line: str) -> None:
    """Print one line about the progress, at once even if the output is piped."""
    print(line, flush=True)

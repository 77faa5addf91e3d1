"""A `nvidia-smi` that prints what was recorded: a query's answer and, without options, the table."""

from pathlib import Path

CASES = Path(__file__).parents[3] / "cases" / "nvidia_smi"


def install(folder: Path, answer: str, table: str = "table.txt") -> None:
    """Put it into the folder. A recorded error is printed with the status that the real one has."""
    status = 0 if answer.endswith(".csv") else 255
    program = folder / "nvidia-smi"
    program.write_text(
        f"#!/bin/sh\n[ $# = 0 ] && exec /bin/cat {CASES / table}\n/bin/cat {CASES / answer}\nexit {status}\n"
    )
    program.chmod(0o755)

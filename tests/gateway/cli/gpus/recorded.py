"""A `nvidia-smi` that prints what was recorded: a query's answer; without options, the table; with -L, the listing.

Recorded on two H100s with driver 580.159.04: `two_h100.csv`, `table.txt`, and with a device or a library hidden `h100.csv`,
`no_devices.txt`, `blocked.txt` and `no_library.txt`. The UUIDs are made up. The others are written after NVIDIA's documents
and users' reports.
"""

from pathlib import Path

CASES = Path(__file__).parents[3] / "cases" / "nvidia_smi"
STATUSES = {
    "blocked.txt": 17,
    "lost.txt": 15,
    "mismatch.txt": 18,
    "no_devices.txt": 6,
    "no_library.txt": 12,
    "no_module.txt": 9,
    "old_field.txt": 2,
    "unknown_error.txt": 255,
}
"""The status with which the real one ends. Of other answers it is 0."""


def install(folder: Path, answer: str, table: str = "table.txt", listing: str = "a100_mig_listing.txt") -> None:
    """Put it into the folder."""
    program = folder / "nvidia-smi"
    program.write_text(
        f"#!/bin/sh\n"
        f"[ $# = 0 ] && exec /bin/cat {CASES / table}\n"
        f'[ "$1" = -L ] && exec /bin/cat {CASES / listing}\n'
        f"/bin/cat {CASES / answer}\nexit {STATUSES.get(answer, 0)}\n"
    )
    program.chmod(0o755)

"""Says what to do about a program that failed, where its log and the kernel show the cause beyond doubt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PORT_TAKEN: Final = re.compile(r"Socket '[^']*' already in use|cannot listen on .*: Address already in use", re.ASCII)
"""Triton's words, and the gateway's. An engine has ports of its own, which our settings do not choose."""
_KILLED: Final = re.compile(
    r"SIGKILL|is not healthy|died unexpectedly|engine has died|lost the process of|Failed core proc\(s\): \{[^}]*: -9\b",
    re.ASCII,
)
"""Signs in Triton's log, or in the reason, of a process that ended without a word."""
_WRONG_SETTING: Final = "exit status 2"


@dataclass(frozen=True)
class Failure:
    """How a program failed. `memory_kills` is how many processes the kernel has killed for lack of memory during the run."""

    reason: str
    lines: Sequence[str]
    command: Sequence[str | Path]
    memory_kills: int = 0


def advice(failure: Failure) -> str | None:
    """What to do, or None if the cause is not certain: a wrong advice is worse than none."""
    text = "\n".join([failure.reason, *failure.lines])
    if failure.memory_kills and _KILLED.search(text):
        return (
            f"the kernel has killed {failure.memory_kills} of the processes here for lack of memory: end other programs,"
            " serve fewer models, or raise the memory limit of this container or machine."
        )
    if _PORT_TAKEN.search(text):
        return "another program took the port: end it, or choose others (PORT, TRITON_GRPC_PORT, TRITON_METRICS_PORT)."
    modules = {str(part).partition(".")[0] for part in failure.command}
    if _WRONG_SETTING in failure.reason and "gateway" in modules:
        return "correct the setting that it names."
    return None

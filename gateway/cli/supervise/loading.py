"""Reads Triton's progress from its log, line by line. It reads no clock."""

import re
from dataclasses import dataclass, field

_LOADING = re.compile(r"\] \"?loading: ([^:\s]+):\d+")
_LOADED = re.compile(r"successfully loaded '([^']+)'")
_SERVING = "Started GRPCInferenceService"
_WORTH_SHOWING = re.compile(r"^[EF]\d{4} |error|Error|Traceback|failed|refused|in use|UNAVAILABLE|Invalid", re.ASCII)
_HARMLESS = re.compile(r"NVML|DCGM|CudaDriverHelper|CUDA driver version|pinned (?:system )?memory", re.ASCII)


@dataclass
class Loading:
    """The models that are being loaded, those that are loaded, and whether Triton serves."""

    waiting: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    serving: bool = False

    def feed(self, line: str) -> None:
        """Process one line of the log."""
        if found := _LOADING.search(line):
            self.waiting.append(found[1])
        elif found := _LOADED.search(line):
            self.loaded.append(found[1])
            self.waiting = [name for name in self.waiting if name != found[1]]
        elif _SERVING in line:
            self.serving = True


def worth_showing(lines: list[str], most: int = 25) -> list[str]:
    """The lines with errors or, if there are none, the last lines."""
    telling = [line for line in lines if _WORTH_SHOWING.search(line) and not _HARMLESS.search(line)]
    return (telling or lines)[-most:]

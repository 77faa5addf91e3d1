"""Reads the progress of loading from the logs of the reconciler and of Triton, line by line. It reads no clock."""

import re
from dataclasses import dataclass, field

_SAYS = re.compile(r"(loading|loaded|failed|refused|unloaded) (.+?)(?:: (.*))?")
"""A name may have a colon, but none with a space behind it."""
_DONE = "done: "
_TROUBLE = "trouble: "
_POLL_FAILED = re.compile(r"Poll failed for model directory '([^']+)': (.+?)\"?$")
_UNLOADED_BY_TRITON = re.compile(r"successfully unloaded '([^']+)'")
_WORTH_SHOWING = re.compile(r"^[EF]\d{4} |error|Error|Traceback|failed|refused|in use|UNAVAILABLE|Invalid", re.ASCII)
_HARMLESS = re.compile(r"NVML|DCGM|CudaDriverHelper|CUDA driver version|pinned (?:system )?memory", re.ASCII)


@dataclass
class Loading:
    """The models of one run of Triton: those that are being loaded, and those that are loaded."""

    waiting: list[str] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    tried: int = 0
    """How many times a model has loaded or failed."""
    tried_all: bool = False
    _complaints: dict[str, str] = field(default_factory=dict)

    @property
    def serving(self) -> bool:
        """Whether every model has been tried once, and one of them is loaded."""
        return self.tried_all and bool(self.loaded)

    @property
    def idle(self) -> bool:
        """Whether nothing is loaded and nothing is being loaded: an administrator or a mended folder will change it."""
        return self.tried_all and not self.loaded and not self.waiting

    def feed_triton(self, line: str) -> None:
        """Process one line of Triton's log. Of a configuration that is wrong, only the log says what is wrong."""
        if found := _POLL_FAILED.search(line):
            self._complaints[found[1]] = found[2]

    def feed(self, line: str) -> str | None:
        """Process one line of the reconciler. Returns a sentence that the operator has to read, if there is one."""
        if line.startswith(_DONE):
            self.tried_all = True
        elif line.startswith(_TROUBLE):
            return f"Trouble with the models: {line.removeprefix(_TROUBLE)}"
        elif found := _SAYS.fullmatch(line):
            return self._note(found[1], found[2], found[3] or "")
        return None

    def _note(self, event: str, name: str, reason: str) -> str | None:
        self.waiting = [other for other in self.waiting if other != name]
        if event in ("loaded", "failed", "refused"):
            self.tried += 1
        if event == "loading":
            self.waiting.append(name)
        elif event == "loaded":
            self.loaded.add(name)
        elif event == "unloaded":
            self.loaded.discard(name)
        else:
            outcome = "stays as it was loaded before" if name in self.loaded else "is not loaded"
            return f"The model {name} {outcome}: {self._complaints.pop(name, reason)}"
        return None


def unloaded_model(line: str) -> str | None:
    """The model that Triton has unloaded, if this line of its log says so."""
    found = _UNLOADED_BY_TRITON.search(line)
    return found[1] if found else None


def worth_showing(lines: list[str], most: int = 25) -> list[str]:
    """The lines with errors or, if there are none, the last lines."""
    telling = [line for line in lines if _WORTH_SHOWING.search(line) and not _HARMLESS.search(line)]
    return (telling or lines)[-most:]

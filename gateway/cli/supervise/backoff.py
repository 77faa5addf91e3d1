"""How long to wait before the next start."""

from dataclasses import dataclass

FIRST_S = 1.0
LONGEST_S = 30.0
HEALTHY_S = 60.0
"""After a healthy run of this length, the wait starts again at FIRST_S."""


@dataclass
class Backoff:
    """Waits 1, 2, 4 … 30 seconds, and starts again at 1 after a run of at least a minute."""

    next_s: float = FIRST_S

    def after(self, lived_s: float) -> float:
        """The wait after a run that was healthy for `lived_s` seconds."""
        if lived_s >= HEALTHY_S:
            self.next_s = FIRST_S
        wait = self.next_s
        self.next_s = min(2 * wait, LONGEST_S)
        return wait

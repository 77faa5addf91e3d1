"""How long to wait before the next start."""

from dataclasses import dataclass

FIRST_S = 1.0
LONGEST_S = 30.0
HEALTHY_S = 60.0
"""Who ran for so long has earned a fresh start."""


@dataclass
class Backoff:
    """1, 2, 4 … 30 seconds, from the start again once a run lasted a minute."""

    next_s: float = FIRST_S

    def after(self, lived_s: float) -> float:
        """The wait after a run of `lived_s` seconds in health."""
        if lived_s >= HEALTHY_S:
            self.next_s = FIRST_S
        wait = self.next_s
        self.next_s = min(2 * wait, LONGEST_S)
        return wait

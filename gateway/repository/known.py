"""What the reconciler knows of one model, and what is to be done for it. No I/O and no clock: it is fed once a round.

    a folder ──flaw──► named, not loaded
       │ quiet                          failed ──its files change, or `load`──► once more
       ▼                                  ▲      ──its process ended──► again after a while, a few times
    loading ──────────────────────────────┴──► loaded ──`load`──► loading
                                                  └──folder gone, or `unload`──► unloaded

A loaded model whose files change stays as it is until somebody loads it: half a copy must not replace what works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.repository.folders import ModelFolder
from gateway.repository.wanted import Wanted

QUIET_ROUNDS: Final = 2
"""So many rounds in a row the files of a model that comes later must be the same before it is loaded."""
RETRY_ROUNDS: Final[Sequence[int]] = (5, 30, 120)
"""How many rounds after a load that may succeed another time it is tried again, and then no more: memory that was short
while several models loaded is there later, and a model that always ends its process must not burden the others for ever."""


class Due(Enum):
    """What there is to do for a model."""

    NOTHING = "nothing"
    LOAD = "load"
    UNLOAD = "unload"


@dataclass(slots=True)
class Known:
    """One model in one run of the reconciler.

    `tried`: the fingerprint of its files and the count of `load` at the last try. `unload_to_note`: somebody has unloaded it
    by Triton's own API, and the file of what is wanted does not say so yet. `named`: the flaw that was named last.
    """

    folder: ModelFolder
    quiet_rounds: int = 0
    tried: tuple[int, int] | None = None
    loaded: bool = False
    busy: bool = False
    gone: bool = False
    unload_to_note: bool = False
    named: str = ""
    _retries: int = 0
    _rounds_to_retry: int | None = None

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing is left to do for a folder that is gone."""
        return self.gone and not (self.loaded or self.busy or self.unload_to_note)

    def see(self, folder: ModelFolder, wanted: Wanted) -> None:
        """A round has come, in which the folder looks like this."""
        same = self.folder.fingerprint == folder.fingerprint
        self.quiet_rounds = self.quiet_rounds + 1 if same else 0
        self.folder, self.gone = folder, False
        if self._rounds_to_retry:
            self._rounds_to_retry -= 1
        if self.was_asked_for(wanted):
            self.unload_to_note = False

    def was_asked_for(self, wanted: Wanted) -> bool:
        """Whether somebody has said `load` since the last try."""
        return self.tried is not None and self.tried[1] != wanted.loads_of(self.folder.path)

    def due(self, wanted: Wanted) -> Due:
        """What is to be done in this round."""
        if self.busy:
            return Due.NOTHING
        if self.gone or self.unload_to_note or not wanted.is_wanted(self.folder.path):
            return Due.UNLOAD if self.loaded else Due.NOTHING
        if self.folder.flaw or self.quiet_rounds < QUIET_ROUNDS:
            return Due.NOTHING
        changed = not self.loaded and self.tried != self._now(wanted)
        return Due.LOAD if changed or self.was_asked_for(wanted) or self._rounds_to_retry == 0 else Due.NOTHING

    def note_try(self, wanted: Wanted) -> None:
        """What lies there now is being loaded, or is loaded already."""
        if self.tried != self._now(wanted):
            self._retries = 0
        self.tried, self._rounds_to_retry = self._now(wanted), None

    def note_failure(self, *, may_pass: bool) -> int | None:
        """The load has failed. The number of rounds after which it is tried again, None for not by itself."""
        if not may_pass or self._retries == len(RETRY_ROUNDS):
            return None
        self._rounds_to_retry = RETRY_ROUNDS[self._retries]
        self._retries += 1
        return self._rounds_to_retry

    def _now(self, wanted: Wanted) -> tuple[int, int]:
        return self.folder.fingerprint, wanted.loads_of(self.folder.path)

"""Keeps two engines off one GPU whose memory shares are more than 1 together.

Each engine runs in a process of its own that knows nothing of the others, and vLLM notices only when it has loaded the
weights, or not at all if both load at once. So each process keeps a small file with its claim, and holds a lock on the file.
The lock ends with the process, however that ends; a file without a lock is left over, and the next process removes it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import tempfile
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigError

logger = logging.getLogger(__name__)

# What vLLM takes when gpu_memory_utilization is not written (0.25 to 0.32).
USUAL_SHARE = 0.92
# In floating point a sum of shares may be a little more than 1.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Claim:
    """`share`: of each device's memory; None if that does not follow from the engine's arguments.

    `sleeps`: it may give the memory back.
    """

    model: str
    devices: tuple[str, ...]
    share: float | None
    sleeps: bool = False

    @classmethod
    def of(cls, model: str, devices: Sequence[str], arguments: Mapping[str, Any]) -> Claim:
        share = arguments.get("gpu_memory_utilization", USUAL_SHARE)
        # With kv_cache_memory_bytes the share does not count: the engine takes that, and what the weights need.
        known = isinstance(share, int | float) and arguments.get("kv_cache_memory_bytes") is None
        return cls(model, tuple(devices), float(share) if known else None, bool(arguments.get("enable_sleep_mode")))

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Claim:
        """A claim out of its file, which another version of the backend may have written."""
        share = written.get("share")
        return cls(
            str(written.get("model")),
            tuple(str(device) for device in written.get("devices", ())),
            None if share is None else float(share),
            bool(written.get("sleeps")),
        )


def conflict(mine: Claim, others: Sequence[Claim]) -> tuple[str, bool] | None:
    """The complaint about a device whose memory would be claimed twice, and whether it is final (pure).

    It is not where one of the models can be put to sleep. None where the claims fit.
    """
    if mine.share is None:
        return None
    for device in mine.devices:
        sharing = [other for other in others if device in other.devices and other.share is not None]
        total = mine.share + sum(other.share or 0.0 for other in sharing)
        if sharing and total > 1 + ROUNDING:
            takers = ", ".join(f"{claim.model} {claim.share:g}" for claim in (mine, *sharing))
            what = (
                f"of the memory of GPU {device} the models want {total:g} in all ({takers}; gpu_memory_utilization is "
                f"{USUAL_SHARE} unless it is written). Write in model.json another device in gpu_device_ids of "
                "vllm_custom, or gpu_memory_utilization so that they are less than 1 together: CUDA takes more for each"
            )
            return what, not any(claim.sleeps for claim in (mine, *sharing))
    return None


class Register:
    """The claims of this user's processes on this host. `take` once; `release` may be called at any time, also again."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.gettempdir()) / f"vllm_custom-gpus-{os.getuid()}"
        # Those of the claim that was taken; an engine without a claim has none.
        self.devices: tuple[str, ...] = ()
        self._path: Path | None = None
        self._held: IO[str] | None = None

    def take(self, source: Path, claim: Claim) -> None:
        """Raises ConfigError, naming `source`, when the claims of others leave no room for it."""
        self.devices = claim.devices
        try:
            self._make_folder()
            with self._alone():
                found = conflict(claim, list(self._living()))
                if found is None or not found[1]:
                    self._write(claim)
        except OSError as error:
            logger.warning("the shares of GPU memory are not checked: %s", error)
            return
        if found is not None:
            what, is_hopeless = found
            if is_hopeless:
                raise ConfigError(f"{source}: {what}")
            logger.warning("%s: %s; it works only while one of them sleeps", source, what)

    def release(self) -> None:
        if self._path is not None and self._held is not None:
            self._path.unlink(missing_ok=True)
            self._held.close()
            self._path = self._held = None

    def _make_folder(self) -> None:
        """Raises PermissionError for a folder that another user has made: everybody may write to the place where it lies."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        found = self.folder.lstat()
        if found.st_uid != os.getuid() or self.folder.is_symlink():
            raise PermissionError(f"{self.folder} belongs to somebody else")

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Models load at the same time: here one process reads the others' claims and writes its own before the next."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _living(self) -> Iterator[Claim]:
        for path in sorted(self.folder.glob("*.json")):
            # A model that leaves meanwhile takes its file along.
            with suppress(FileNotFoundError), path.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield from _read(file)
                else:
                    path.unlink()

    def _write(self, claim: Claim) -> None:
        self._path = self.folder / f"{uuid.uuid4().hex}.json"
        self._held = self._path.open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        json.dump(asdict(claim), self._held)
        self._held.flush()


def _read(file: IO[str]) -> Iterator[Claim]:
    """The claim in a file; none where its process could not write it, on a full disk."""
    try:
        yield Claim.read(json.load(file))
    except ValueError as error:
        logger.warning("a claim is not counted: %s: %s", file.name, error)

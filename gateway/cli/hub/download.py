"""Brings the files of a model into huggingface_hub's cache, with progress."""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from huggingface_hub import constants, snapshot_download

from gateway.cli.console import on_terminal
from gateway.cli.errors import Problem, Stopped
from gateway.cli.hub import failures, remote
from gateway.cli.hub.listing import Listing
from gateway.cli.hub.progress import Progress
from gateway.cli.hub.selection import Selection

_AT_A_TIME = 4
"""Files at a time: enough for a fast network, and what an interruption loses is the parts of these."""

_PAUSES_S = (2.0, 5.0, 15.0)
"""Before it is tried again. The library itself tries again, too, but not after every kind of failure."""

_TICK_S = 0.5
_GB = 1e9
_MARGIN_GB = 0.5
_ABANDONED_S = 3600.0
"""A download that lives writes to its parts all the time, and gives up after less than a minute without data."""

_LOST = re.compile(r".+\.[0-9a-f]{8}\.incomplete")
"""A part that is named for its process, so no later process goes on with it."""


def missing(listing: Listing, selection: Selection) -> list[str]:
    """The needed files that are not in the cache."""
    folder = remote.snapshot(listing.name, listing.commit)
    return [name for name in selection.names if folder is None or not (folder / name).is_file()]


def download(
    listing: Listing,
    selection: Selection,
    token: Callable[[], str | None],
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Fetch what is missing; files that are complete stay, also after an interruption. `token` is read only where something
    is missing. Raises Problem, and Stopped."""
    if not (wanted := missing(listing, selection)):
        return
    blobs = Path(constants.HF_HUB_CACHE) / f"models--{listing.name.replace('/', '--')}" / "blobs"
    _remove_abandoned(blobs)
    _check_disk(listing.name, selection.size_of(wanted))
    total = selection.size_of(selection.names)
    progress = Progress(listing.name, total, 10.0 if on_terminal() else 30.0, say)
    for pause in (*_PAUSES_S, None):
        error = _attempt(listing, selection, token(), blobs, stop, progress)
        if error is None:
            progress.tell(total)
            return
        if pause is None or not failures.is_network(error):
            raise failures.problem_of(error, listing.name, listing.commit, has_token=token() is not None) from error
        say(f"downloading {listing.name}: it broke off, and goes on in {pause:.0f} s ({failures.line(error)})")
        if stop.wait(pause):
            raise Stopped


def _attempt(
    listing: Listing, selection: Selection, token: str | None, blobs: Path, stop: threading.Event, progress: Progress
) -> Exception | None:
    """Fetch what is missing now, and say what went wrong. Raises Stopped."""
    wanted = missing(listing, selection)
    there = selection.size_of(selection.names) - selection.size_of(wanted)
    lost_before, had = set(_lost(blobs)), _size(blobs)
    fetch = _Fetch(listing, wanted, token)
    try:
        while not fetch.wait(_TICK_S):
            if stop.is_set():
                raise Stopped
            progress.tell(there + max(0, _size(blobs) - had))
    finally:
        for part in set(_lost(blobs)) - lost_before:
            part.unlink(missing_ok=True)
    if fetch.error is None and (still := missing(listing, selection)):
        return OSError(f"{still[0]} did not arrive")
    return fetch.error


class _Fetch:
    """The library's own download, in a thread: it can't be stopped, and the program must be."""

    def __init__(self, listing: Listing, names: list[str], token: str | None) -> None:
        self.error: Exception | None = None
        self._listing = listing
        self._names = names
        self._token = token
        self._thread = threading.Thread(target=self._run, name="download", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within this time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            snapshot_download(
                self._listing.name,
                revision=self._listing.commit,
                allow_patterns=[_literal(name) for name in self._names],
                max_workers=_AT_A_TIME,
                token=self._token or False,
            )
        except failures.FOREIGN as error:
            self.error = error


def _literal(name: str) -> str:
    """A pattern that fits this name alone."""
    return re.sub(r"([*?[])", r"[\1]", name)


def _check_disk(model: str, needed: int) -> None:
    cache = Path(constants.HF_HUB_CACHE)
    there = next(parent for parent in (cache, *cache.parents) if parent.exists())
    free_gb, needed_gb = shutil.disk_usage(there).free / _GB, needed / _GB + _MARGIN_GB
    if free_gb < needed_gb:
        raise Problem(
            f"Too little disk space: {model} needs {needed_gb:.1f} GB in {cache}, and {free_gb:.1f} GB are free.",
            "free some space (`hf cache ls` lists the models there), or name a folder on a larger disk in HF_HOME.",
        )


def _size(blobs: Path) -> int:
    """What the cache holds of the model, finished or not. A file may be longer than what has been written of it."""
    return sum(min(stat.st_size, stat.st_blocks * 512) for stat in _stats(blobs))


def _stats(blobs: Path) -> Iterator[os.stat_result]:
    for path in blobs.iterdir() if blobs.is_dir() else ():
        try:
            yield path.stat()
        except FileNotFoundError:  # a part that has become a whole meanwhile
            continue


def _remove_abandoned(blobs: Path) -> None:
    """What a killed download has left: nobody would ever remove it."""
    for part in list(_lost(blobs)):
        if part.stat().st_mtime < time.time() - _ABANDONED_S:
            part.unlink(missing_ok=True)


def _lost(blobs: Path) -> Iterator[Path]:
    return (path for path in blobs.glob("*.incomplete") if _LOST.fullmatch(path.name))

"""A model is healthy when an answer came back.

Any success of the last `fresh_s` counts. Without one the model is probed: one token, or one short text, outside admission
and metering. A model is not ready after `stale_s` without a success. An overloaded model is a healthy one.

The workers of a host share the time of the last success through the modification times of files in one folder. So there is
one probe per host and model, by the worker that holds the lock on the file.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway import metrics
from gateway.errors import GatewayError, Overloaded
from gateway.models.catalog import Catalog

State = Literal["ready", "not_ready", "loading", "not_servable", "missing"]

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_PROBE_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One line of the readiness report. `age_s` is the time since the last success, None when there was none. `counts`:
    the gateway is not ready without it."""

    model: str
    state: State
    age_s: float | None
    counts: bool = True

    @property
    def ready(self) -> bool:
        """Whether it has answered lately."""
        return self.state == "ready"


class LastSuccess:
    """When a model last answered, shared by the workers through a file's time of modification."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0.0
        self.at = 0.0

    def sync(self) -> None:
        """Share our last success with the other workers, and learn theirs. Called about once a second, not per success."""
        try:
            theirs = self._path.stat().st_mtime
        except FileNotFoundError:
            theirs = 0.0
        if self.at > max(theirs, self._written):
            self._path.touch()
            os.utime(self._path, (self.at, self.at))
            self._written = self.at
        self.at = max(self.at, theirs)

    def discard(self) -> None:
        """Remove what is shared."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def probing(self) -> Generator[bool, None, None]:
        """True in the one worker of the host that may probe now."""
        with self._path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


class Health:
    """Readiness of the required models (all that are served when none is named)."""

    def __init__(
        self, catalog: Catalog, folder: Path, *, required: Sequence[str], fresh_s: float, stale_s: float
    ) -> None:
        self._catalog = catalog
        self._folder = folder
        self._required = tuple(required)
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._last_successes: dict[str, LastSuccess] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}
        # What was told last of a required model that is not served, and of a probe that failed.
        self._told: dict[str, str] = {}
        self._has_been_ready = False

    def succeeded(self, model: str) -> None:
        """An answer, or a piece of one, has come from the model."""
        self.last_success(model).at = time.time()

    def report(self) -> list[ModelHealth]:
        """The state of every required model, or else of every served one; then of those that are being added or can't be
        served, which do not count."""
        required = self._required_models()
        served = [] if required else [model.name for model in self._catalog.bases()]
        others = sorted(self._catalog.loading() | self._catalog.obstacles().keys())
        return [self._health_of(name) for name in dict.fromkeys([*required, *served, *others])]

    def is_ready(self) -> bool:
        """Whether every model that counts has answered lately, and there is one."""
        counting = [model for model in self.report() if model.counts]
        ready = bool(counting) and all(model.ready for model in counting)
        self._has_been_ready = self._has_been_ready or ready
        return ready

    def is_lost(self, model: str) -> bool:
        """Whether a model that has answered before has been silent for too long."""
        age_s = self._health_of(model).age_s
        return age_s is not None and age_s >= self._stale_s

    def _required_models(self) -> list[str]:
        """By their names in Triton, as far as they are known: they may be required by any name of theirs."""
        return list(map(self._catalog.own_name, self._required))

    def _watched(self) -> list[str]:
        """All models, required or not: `is_lost` needs to know of each."""
        return list(dict.fromkeys([*self._required_models(), *(model.name for model in self._catalog.bases())]))

    def _health_of(self, name: str) -> ModelHealth:
        last = self.last_success(name).at
        age_s = time.time() - last if last else None
        state = self._state_of(name, age_s)
        # A model that was added to a ready gateway counts from its first answer on.
        is_new = self._has_been_ready and age_s is None
        counts = name in self._required_models() or (state in ("ready", "not_ready") and not is_new)
        return ModelHealth(name, state, age_s, counts)

    def _state_of(self, name: str, age_s: float | None) -> State:
        """A success of a moment ago says nothing of a Triton that has gone since."""
        if self._catalog.has(name):
            fresh = age_s is not None and age_s < self._stale_s
            return "ready" if fresh and self._catalog.is_there(name) else "not_ready"
        if name in self._catalog.loading():
            return "loading"
        return "not_servable" if name in self._catalog.obstacles() else "missing"

    def last_success(self, model: str) -> LastSuccess:
        """The record of a model's last success, for callers that note many."""
        success = self._last_successes.get(model)
        if success is None:
            # A model's name may hold what a file's name may not.
            success = self._last_successes[model] = LastSuccess(self._folder / model.encode().hex())
        return success

    async def keep_watch(self) -> None:
        """Look every second and probe what has been silent, until cancelled."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            while True:
                watched = self._watched()
                for name in self._last_successes.keys() | watched:
                    try:
                        if name in watched:
                            self._look(name)
                        else:
                            self._forget(name)
                    except OSError:  # a full disk, say: the watch must outlive it
                        log.exception("the health of %s can't be shared", name)
                self.is_ready()
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            for probe in self._probes.values():
                probe.cancel()

    def _look(self, name: str) -> None:
        success = self.last_success(name)
        success.sync()
        health = self._health_of(name)
        metrics.labelled(metrics.MODEL_READY, name).set(health.ready)
        if name in self._required and self._catalog.has_looked:
            unserved = health.state in ("missing", "loading", "not_servable")
            self._tell(f"the required model {name}", f"is not served: {health.state}" if unserved else "")
        probing = name in self._probes and not self._probes[name].done()
        if not probing and self._catalog.is_there(name) and time.time() - success.at > self._fresh_s:
            self._probes[name] = asyncio.create_task(self._probe(name))

    def _tell(self, what: str, trouble: str) -> None:
        """Log a trouble when it is new; an empty one has passed."""
        if trouble == self._told.get(what, ""):
            return
        if trouble:
            log.warning("%s %s", what, trouble)
        else:
            log.info("%s is well again", what)
        self._told[what] = trouble

    def _forget(self, name: str) -> None:
        """The model is unloaded. If it is loaded again, it starts without a success of before."""
        self._last_successes.pop(name).discard()
        self._told.pop(f"model {name}", None)
        metrics.labelled(metrics.MODEL_READY, name).set(0)
        if (probe := self._probes.pop(name, None)) is not None:
            probe.cancel()

    async def _probe(self, name: str) -> None:
        with self.last_success(name).probing() as mine:
            if not mine:
                await asyncio.sleep(_LOOK_EVERY_S)
                return
            try:
                async with asyncio.timeout(_PROBE_TIMEOUT_S):
                    await self._ask(name)
                trouble = ""
            except Overloaded:
                trouble = ""
            except (GatewayError, TimeoutError) as error:
                trouble = f"does not answer the probe: {error or 'no answer in time'}"
            self._tell(f"model {name}", trouble)
            if not trouble:
                self.succeeded(name)
            self.last_success(name).sync()

    async def _ask(self, name: str) -> None:
        model, client = self._catalog.find(name), self._catalog.replicas(name)[0]
        await model.probe(client, timeout_s=_PROBE_TIMEOUT_S)

"""The steps of the set-up, which of them are needed, and in which order they run."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.setup import checks, place, ready, triton, weights
from gateway.cli.setup.environments import Environments
from gateway.cli.setup.lock import is_in_use, only_one
from gateway.cli.setup.pip import Pip

EXTRAS = ("dev", "prepare", "testtools")
"""The packages that only the checks need."""

_MARGIN_GB = 1.0
"""Additional space for pip, which unpacks a package before it moves it."""


@dataclass(frozen=True)
class Step:
    """One step of the set-up.

    `heavy` steps run in parallel with the others, because they take as long as all others together. A step that is not
    `for_serving` may run again while something is served.
    """

    name: str
    size_gb: float
    is_done: Callable[[], bool]
    make: Callable[[Pip], None]
    heavy: bool = False
    for_serving: bool = True


def steps(
    layout: Layout, stop: threading.Event, extras: Iterable[str] = (), *, demonstration: bool = True
) -> list[Step]:
    """All steps for serving, and those asked for of EXTRAS. Without `demonstration`, no model of the checkout is made."""
    environments = Environments(layout, stop)
    asked = frozenset(extras)
    models = [_weights(layout, each, environments, stop) for each in weights.present(layout)] if demonstration else []
    chosen = [
        _environment("vllm_custom", 9.0 if layout.cuda else 2.6, environments, heavy=True),
        _environment("gateway", 0.2, environments),
        Step("triton", 0.3, partial(triton.triton_is_done, layout), partial(triton.unpack, layout)),
        Step("backends", 0.0, partial(triton.backends_are_done, layout), lambda _: triton.make_backends(layout)),
        _environment("pytorch", 5.5 if layout.cuda else 1.0, environments),
    ]
    if "prepare" in asked or not all(model.is_done() for model in models):
        chosen.append(_folder("prepare", 0.9, environments))
    chosen += models
    chosen += [_environment("dev", 0.6, environments)] if "dev" in asked else []
    chosen += [_folder("testtools", 0.1, environments)] if "testtools" in asked else []
    return chosen


def set_up(
    layout: Layout,
    stop: threading.Event,
    extras: Collection[str] = (),
    *,
    for_serving: bool = True,
    demonstration: bool = True,
) -> None:
    """Run the steps whose results are missing or out of date; without `for_serving`, only the extras.

    Raises a Problem before the long work if the set-up cannot succeed.
    """
    for problem in (place.path(layout) if for_serving else None, place.writable(layout)):
        if problem:
            raise problem
    with only_one(layout.set_up_lock, stop):
        wanted = [
            step
            for step in steps(layout, stop, extras, demonstration=demonstration)
            if for_serving or step.name in extras
        ]
        missing = [step for step in wanted if not step.is_done()]
        for problem in (*checks.machine(), *_room(layout, missing), *_use(layout, missing)):
            raise problem
        if missing:
            _make(layout, stop, missing)


def _room(layout: Layout, missing: Sequence[Step]) -> list[Problem]:
    needed = sum(step.size_gb for step in missing)
    problem = checks.disk(layout.cache, needed + _MARGIN_GB) if needed else None
    return [problem] if problem else []


def _use(layout: Layout, missing: Sequence[Step]) -> list[Problem]:
    """Whether a step would remove something that a running Triton uses."""
    names = ", ".join(step.name for step in missing if step.for_serving)
    if not names or not is_in_use(layout.use_lock):
        return []
    what = f"{names} must be made anew, and a `make up` of this checkout is running from what is there."
    return [Problem(what, "stop that first (Ctrl-C where it runs), or use another clone beside it.")]


def _make(layout: Layout, stop: threading.Event, missing: Sequence[Step]) -> None:
    started = time.monotonic()
    say(f"Setting up: {', '.join(step.name for step in missing)}")
    installer = Environments(layout, stop).installer()
    heavy = [step for step in missing if step.heavy]
    light = [step for step in missing if not step.heavy]
    _in_lanes([partial(_make_in_order, lane, installer) for lane in (heavy, light) if lane], stop)
    say(f"Set-up took {time.monotonic() - started:.0f} s; the next one skips what is done.")


def _in_lanes(lanes: Sequence[Callable[[], None]], stop: threading.Event) -> None:
    """Run the lanes in parallel. The first failure stops the others and is raised."""
    failures: list[Future[None]] = []
    with ThreadPoolExecutor(len(lanes)) as pool:
        running = [pool.submit(lane) for lane in lanes]
        for ended in as_completed(running):
            if ended.exception():
                stop.set()
                failures.append(ended)
    for failed in failures[:1]:
        failed.result()


def _make_in_order(lane: Sequence[Step], installer: Pip) -> None:
    for step in lane:
        started = time.monotonic()
        say(f"{step.name}: making it")
        step.make(installer)
        say(f"{step.name}: done in {time.monotonic() - started:.0f} s")


def _environment(name: str, size_gb: float, environments: Environments, *, heavy: bool = False) -> Step:
    folder = environments.layout.environment(name)
    if name in environments.layout.ready:
        there = environments.layout.ready[name]
        return Step(name, 0.0, partial(ready.is_done, folder, there, name), lambda _: ready.use(folder, there, name))
    done = partial(environments.is_done, folder, name)
    return Step(name, size_gb, done, partial(environments.make, name), heavy, for_serving=name not in EXTRAS)


def _folder(name: str, size_gb: float, environments: Environments) -> Step:
    folder = environments.layout.cache / name
    done = partial(environments.is_done, folder, name)
    return Step(name, size_gb, done, partial(environments.make_folder, folder, name), for_serving=False)


def _weights(layout: Layout, each: weights.Weights, environments: Environments, stop: threading.Event) -> Step:
    return Step(
        each.model,
        0.4,
        partial(weights.is_done, layout, each, environments),
        lambda _: weights.prepare(layout, each, environments, stop),
    )

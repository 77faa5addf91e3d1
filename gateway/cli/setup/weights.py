"""Real weights: converts packages of the lock file for the backends, and links the results into the model repository."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli import children
from gateway.cli.console import Throttle, on_terminal, say
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.setup import stamps
from gateway.cli.setup.environments import Environments


@dataclass(frozen=True)
class Weights:
    """One served model: the script that prepares it, and the links from its version folder to the script's result."""

    model: str
    script: str
    links: Mapping[str, str]


WEIGHTS = (
    Weights("smollm2-135m-instruct", "smollm2.py", {"weights": ""}),
    Weights("all-minilm-l6-v2", "all_minilm.py", {name: name for name in ("model.pt", "tokenizer.json")}),
    Weights("moderation", "moderation.py", {name: name for name in ("model.pt", "tokenizer.json", "labels.json")}),
)


def present(layout: Layout) -> list[Weights]:
    """Those of models that are in the repository: a demonstration model that was deleted stays deleted."""
    return [weights for weights in WEIGHTS if (layout.model_repository / weights.model / "config.pbtxt").exists()]


def is_done(layout: Layout, weights: Weights, environments: Environments) -> bool:
    """Whether the weights match the present scripts and packages, and are linked."""
    linked = all(_points_to(link, target) for link, target in _links(layout, weights))
    return linked and stamps.is_done(layout.models / weights.model, _digest(layout, environments))


def prepare(layout: Layout, weights: Weights, environments: Environments, stop: threading.Event) -> None:
    """Run the script unless its result exists, and link the result."""
    folder = layout.models / weights.model
    value = _digest(layout, environments)
    if not stamps.is_done(folder, value):
        _run_script(layout, weights, folder, stop)
        stamps.mark_done(folder, value)
    for link, target in _links(layout, weights):
        if not _points_to(link, target):
            _make_link(link, target)


def _digest(layout: Layout, environments: Environments) -> str:
    return stamps.digest([layout.prepare_scripts, environments.lock("prepare"), environments.lock("pytorch")])


def _run_script(layout: Layout, weights: Weights, folder: Path, stop: threading.Event) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    throttle = Throttle(5.0)

    def on_line(line: str) -> None:
        lines.append(line)
        say(f"  {weights.model}: {line}")

    def on_tick() -> None:
        if on_terminal() and throttle.due():
            say(f"  {weights.model}: still at work")

    status = children.run(
        [layout.python("pytorch"), layout.prepare_scripts / weights.script, "--out", folder],
        stop=stop,
        on_line=on_line,
        on_tick=on_tick,
        environment=offline(dict(os.environ, PYTHONPATH=str(layout.prepare))),
    )
    if status != 0:
        raise Problem(
            f"The weights of {weights.model} could not be prepared (exit status {status}); the lines above say why.",
            "if it was killed (status -9), free some memory; else remove .cache/prepare and run it again.",
        )


def offline(environment: dict[str, str]) -> dict[str, str]:
    """The environment of the scripts: no access to a model hub, no telemetry, and text in UTF-8."""
    return environment | {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUTF8": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _links(layout: Layout, weights: Weights) -> list[tuple[Path, str]]:
    version = layout.model_repository / weights.model / "1"
    made = layout.models / weights.model
    return [(version / name, os.path.relpath(made / part, version)) for name, part in weights.links.items()]


def _points_to(link: Path, target: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == target


def _make_link(link: Path, target: str) -> None:
    if link.exists() and not link.is_symlink():
        raise Problem(
            f"{link} is in the way: set-up wants to put a link to the prepared weights there.",
            "move it aside, or give your own model another name in the model repository.",
        )
    link.parent.mkdir(parents=True, exist_ok=True)
    aside = link.with_name(f"{link.name}.partial")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(link)

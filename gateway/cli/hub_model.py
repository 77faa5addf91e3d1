"""`up --model` and MODEL in an image: has a model of Hugging Face's hub served, by the program in gateway/cli/hub.

The program needs huggingface_hub, which vLLM's environment has, so it runs there.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.cli import children
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout

_LEAVE_GB = 1.5
_DEMONSTRATION_GB = 3.6
"""What the demonstration language model takes: its weights, its cache and its processes."""


def repository(layout: Layout, model: str) -> Path:
    """The model repository for this model alone: other runs of `up` may serve others."""
    return layout.hub_models / model.replace("/", "--")


def prepare(layout: Layout, model: str, stop: threading.Event, *, demonstration: bool) -> None:
    """Download the model, and write its repository. Raises Problem, and Stopped when `stop` is set.

    With `demonstration`, memory is left for the models of the checkout.
    """
    leave_gb = _LEAVE_GB + (_DEMONSTRATION_GB if demonstration else 0.0)
    device = "gpu" if layout.cuda else "cpu"
    arguments = [model, "--repository", repository(layout, model), "--device", device]
    if not _run(layout.python("vllm_custom"), layout.root, arguments, stop, {"MODEL_LEAVE_GB": str(leave_gb)}):
        raise Problem(
            f"{model} can't be served; the lines above say why.",
            "follow them, and run it again: it goes on from here.",
        )


def prepare_in_image(python: Path, root: Path, repository: Path, stop: threading.Event, *, cuda: bool) -> None:
    """The same for the model that the variable MODEL names, in a repository that may have others. Without MODEL, what was
    written for an earlier one is removed. `root` is the folder from which Python imports the gateway."""
    arguments = ["--repository", repository, "--device", "gpu" if cuda else "cpu"]
    if not _run(python, root, arguments, stop, {}):
        raise Problem("MODEL can't be served; the lines above say why.", "change .env, and bring the service up again.")


def _run(
    python: Path, root: Path, arguments: Sequence[str | Path], stop: threading.Event, defaults: Mapping[str, str]
) -> bool:
    # -P: a folder named `gateway` where the user stands is none of ours.
    program = [python, "-P", "-m", "gateway.cli.hub", *arguments]
    environment = {**defaults, **os.environ, "PYTHONPATH": str(root)}
    return children.run(program, stop=stop, on_line=say, environment=environment) == 0

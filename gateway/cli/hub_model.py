"""`up --model`: has a model of Hugging Face's hub served, by the program in gateway/cli/hub.

The program needs huggingface_hub, which vLLM's environment has, so it runs there.
"""

import os
import threading
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
    # -P: a folder named `gateway` where the user stands is none of ours.
    program = [layout.python("vllm_custom"), "-P", "-m", "gateway.cli.hub"]
    device = "gpu" if layout.cuda else "cpu"
    status = children.run(
        [*program, model, "--repository", repository(layout, model), "--device", device],
        stop=stop,
        on_line=say,
        environment={"MODEL_LEAVE_GB": str(leave_gb), **os.environ, "PYTHONPATH": str(layout.root)},
    )
    if status != 0:
        raise Problem(
            f"{model} can't be served (exit status {status}); the lines above say why.",
            "follow them, and run it again: it goes on from here.",
        )

"""What the supervisor runs: a Triton with its backends, and the Python that has the gateway."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli.layout import Layout
from gateway.cli.setup import interpreter, triton


@dataclass(frozen=True)
class Installation:
    """Paths of the programs, and of what they write.

    `root` is the folder from which Python imports the gateway. `state_dir` keeps what is wanted of the models. `variables`
    are added to Triton's environment. `cuda` says whether its backends are builds for CUDA, which may see GPUs;
    `gpu_metrics` whether Triton shall report them.
    """

    tritonserver: Path
    backends: Path
    gateway_python: Path
    root: Path
    folder: Path
    state_dir: Path
    logs: Path
    running: Path
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    cuda: bool = False
    gpu_metrics: bool = False


def of_checkout(layout: Layout, state_dir: Path) -> Installation:
    """What set-up has made in a checkout.

    A model that names no environment of its own runs in the first python3 on PATH, which is that of the classifiers.
    """
    path = [str(layout.environment("pytorch") / "bin"), os.environ.get("PATH", "")]
    return Installation(
        tritonserver=triton.server(layout),
        backends=layout.backends,
        gateway_python=layout.python("gateway"),
        root=layout.root,
        folder=layout.root,
        state_dir=state_dir,
        logs=layout.logs,
        running=layout.running,
        variables={
            "PATH": os.pathsep.join(path),
            "LD_LIBRARY_PATH": os.pathsep.join([str(triton.libraries(layout)), *_libpython_folder()]),
        },
        cuda=layout.cuda,
    )


def of_image(layout: Layout, tritonserver: Path, backends: Path, state_dir: Path, *, cuda: bool) -> Installation:
    """A Triton that is installed, as in NVIDIA's images, beside this Python, which has the gateway."""
    return Installation(
        tritonserver=tritonserver,
        backends=backends,
        gateway_python=Path(sys.executable),
        root=layout.root,
        folder=state_dir,
        state_dir=state_dir,
        logs=state_dir / "logs",
        running=layout.running,
        cuda=cuda,
        gpu_metrics=cuda,
    )


def link_assets(repository: Path, models: Path) -> Path:
    """A repository with nothing but a link to the model `assets` of these models, for when the others are left out."""
    link = repository / "assets"
    repository.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(models / "assets")
    return repository


def _libpython_folder() -> list[str]:
    library = interpreter.shared_library()
    folders = [str(library.parent)] if library else []
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return [*folders, inherited] if inherited else folders

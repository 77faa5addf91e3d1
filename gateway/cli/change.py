"""`triton-gateway load` and `unload`: what the Triton that `up` runs here shall have loaded, now and at its next starts."""

import os
from pathlib import Path

from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.serve import run_module
from gateway.cli.supervise.endpoint import Running, read_published


def change(layout: Layout, action: str, model: str) -> None:
    """Note that the model is wanted and to be loaded anew (`load`), or not wanted (`unload`). Raises a Problem."""
    running = read_published(layout.running)
    if running is None:
        raise Problem("No Triton of this checkout runs.", "`make up` starts it; a Triton elsewhere is managed there.")
    folder = _folder(running, model)
    settings = {**os.environ, **running.settings}
    done = run_module(layout, "gateway.repository.change", action, str(folder), settings=settings)
    if done.returncode:
        raise Problem(f"{model} can't be {action}ed: {done.stderr.strip()}", "see the folder that is named there.")
    say(f"{model}: {action} is noted; {layout.logs / 'models.log'} and `triton-gateway models` say what comes of it.")


def _folder(running: Running, model: str) -> Path:
    for repository in running.repositories:
        if model in _folders(Path(repository)):
            return Path(repository, model)
    raise Problem(
        f"No model repository has a folder {model!r}.", f"look into {', '.join(running.repositories)}; names are exact."
    )


def _folders(repository: Path) -> list[str]:
    """Nothing where it can't be read: it may be on a disk that is away."""
    try:
        return [path.name for path in repository.iterdir() if path.is_dir()]
    except OSError:
        return []

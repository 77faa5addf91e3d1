"""Twin of gateway/cli/setup/weights.py: the script's part is played by a small one."""

import sys
import threading
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.setup import weights
from gateway.cli.setup.environments import Environments

SCRIPT = """
import pathlib, sys
out = pathlib.Path(sys.argv[2])
out.mkdir(exist_ok=True)
(out / "model.pt").write_text("weights")
print("written")
"""
MODEL = weights.Weights("toy", "toy.py", {"model.pt": "model.pt", "all": ""})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A checkout with one script and its locks; its environment is the Python that runs the tests."""
    layout = Layout(tmp_path)
    for folder in (layout.prepare_scripts, layout.requirements, layout.python("pytorch").parent):
        folder.mkdir(parents=True)
    (layout.prepare_scripts / "toy.py").write_text(SCRIPT)
    for name in ("prepare", "pytorch"):
        Environments(layout, threading.Event()).lock(name).write_text("")
    layout.python("pytorch").symlink_to(sys.executable)
    return layout


def is_done(layout: Layout) -> bool:
    return weights.is_done(layout, MODEL, Environments(layout, threading.Event()))


def prepare(layout: Layout) -> None:
    weights.prepare(layout, MODEL, Environments(layout, threading.Event()), threading.Event())


def test_the_result_is_linked_into_the_model_repository(layout: Layout):
    """With relative links, so that the checkout can be moved."""
    assert not is_done(layout)
    prepare(layout)
    assert is_done(layout)
    version = layout.model_repository / "toy" / "1"
    assert (version / "model.pt").read_text() == "weights"
    assert (version / "all" / "model.pt").read_text() == "weights"
    assert not (version / "model.pt").readlink().is_absolute()


def test_a_changed_script_prepares_again(layout: Layout):
    """Weights are those of today's script."""
    prepare(layout)
    (layout.prepare_scripts / "toy.py").write_text(SCRIPT.replace('"weights"', '"better"'))
    assert not is_done(layout)
    prepare(layout)
    assert (layout.model_repository / "toy" / "1" / "model.pt").read_text() == "better"


def test_a_lost_link_is_made_again_without_the_work(layout: Layout):
    """`git clean` takes the links, not the weights."""
    prepare(layout)
    (layout.model_repository / "toy" / "1" / "model.pt").unlink()
    (layout.prepare_scripts.parent / "prepare" / "toy.py").touch()
    assert not is_done(layout)
    prepare(layout)
    assert is_done(layout)


def test_a_failed_script_is_not_done(layout: Layout):
    """And the user is told which, and what to try."""
    (layout.prepare_scripts / "toy.py").write_text("raise SystemExit(1)")
    with pytest.raises(Problem, match="toy could not be prepared"):
        prepare(layout)
    assert not is_done(layout)


def test_a_users_own_file_is_not_replaced(layout: Layout):
    """Somebody's model is worth more than our link."""
    mine = layout.model_repository / "toy" / "1" / "model.pt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(Problem, match="in the way"):
        prepare(layout)
    assert mine.read_text() == "mine"

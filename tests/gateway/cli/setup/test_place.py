"""Twin of gateway/cli/setup/place.py; tests/host has the checkout of another user and a read-only one."""

import errno
import os
from pathlib import Path

import pytest

from gateway.cli.layout import Layout
from gateway.cli.setup import place


@pytest.mark.parametrize("path", ["/home/a/triton-gateway", "/srv/x_1/y.z@2,3=4~5+6"])
def test_usual_path_will_do(path: str):
    """Letters, digits, and what version managers and build systems put between them."""
    assert place.path(Layout(Path(path))) is None


@pytest.mark.parametrize(
    "path", ["/home/a b", "/home/Müller/x", "/srv/a'b", "/srv/$x", "/srv/a:b", "/srv/(1)", "/srv/日本"]
)
def test_path_that_a_shell_or_a_list_would_split_is_refused(path: str):
    """With the path, so that one sees where."""
    problem = place.path(Layout(Path(path)))
    assert problem is not None
    assert path in problem.what
    assert "clone it" in problem.fix


def test_own_checkout_is_writable(tmp_path: Path):
    """Before the first set-up and after it."""
    layout = Layout(tmp_path)
    assert place.writable(layout) is None
    layout.logs.mkdir(parents=True)
    (layout.logs / "triton.log").touch()
    layout.use_lock.touch()
    assert place.writable(layout) is None


@pytest.mark.parametrize(
    "name", [".cache", ".cache/use.lock", ".cache/logs", ".cache/logs/triton.log", ".cache/envs/dev"]
)
def test_what_root_left_is_named(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    """A file deep inside as well: the log of a run as root."""
    layout, file = Layout(tmp_path), tmp_path / name
    file.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, _mode, **_: Path(path) != file)
    problem = place.writable(layout)
    assert problem is not None
    assert problem.what.startswith(f"{file} belongs to ")
    assert f"{layout.cache}" in problem.fix


def test_user_without_a_name_is_told_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Containers run as any number."""
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    problem = place.writable(Layout(tmp_path))
    assert problem is not None
    assert "the user 4242" in problem.what


@pytest.mark.parametrize(
    ("number", "is_told"),
    [
        (errno.EACCES, True),
        (errno.EROFS, True),
        (errno.ENOSPC, True),
        (errno.ECONNREFUSED, False),
        (errno.ENOENT, False),
    ],
)
def test_file_that_cannot_be_written_is_told(number: int, is_told: bool):
    """A mistake of the program still shows where it is."""
    problem = place.not_written(OSError(number, os.strerror(number), "/x/y"))
    assert (problem is not None) is is_told
    assert problem is None or problem.what == f"/x/y: {os.strerror(number)}."

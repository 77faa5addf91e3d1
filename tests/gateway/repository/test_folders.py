"""Twin of gateway/repository/folders.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.repository.folders import ModelFolder, find_models


def make(repository: Path, name: str, size: int = 1) -> Path:
    """A model with a configuration and weights of that many bytes."""
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text('backend: "python"\n')
    (folder / "1" / "model.bin").write_bytes(b"x" * size)
    return folder


def the_one(repository: Path) -> ModelFolder:
    [model] = find_models([repository])
    return model


def test_the_smallest_come_first(tmp_path: Path) -> None:
    """Of all repositories."""
    make(tmp_path / "a", "large", 5000)
    make(tmp_path / "b", "small", 10)
    make(tmp_path / "a", "middle", 500)
    assert [model.name for model in find_models([tmp_path / "a", tmp_path / "b"])] == ["small", "middle", "large"]


def test_what_is_no_model_is_passed_over(tmp_path: Path) -> None:
    """Hidden folders, what file systems and Python make, and files."""
    for name in (".git", "lost+found", "__pycache__"):
        (tmp_path / name).mkdir()
    (tmp_path / "README").write_text("")
    make(tmp_path, "model")
    assert [model.name for model in find_models([tmp_path])] == ["model"]


@pytest.mark.parametrize("name", ["my model", "modèle", "模型"])
def test_a_name_that_triton_breaks_on_is_refused(tmp_path: Path, name: str) -> None:
    """By name; with a space all models would hang."""
    make(tmp_path, name)
    assert "rename" in the_one(tmp_path).flaw


def test_a_version_is_a_number(tmp_path: Path) -> None:
    """Other folders may stand beside it."""
    folder = make(tmp_path, "model")
    (folder / "notes").mkdir()
    assert the_one(tmp_path).flaw == ""
    (folder / "1").rename(folder / "v1")
    assert "it has no version" in the_one(tmp_path).flaw


@pytest.mark.parametrize("file", ["config.pbtxt", "1/model.json"])
def test_a_byte_order_mark_is_named(tmp_path: Path, file: str) -> None:
    """With the file that begins with it."""
    folder = make(tmp_path, "model")
    (folder / file).write_text('{"a": 1}', encoding="utf-8-sig")
    assert the_one(tmp_path).flaw.startswith(f"{file} begins with a byte order mark")


def test_a_pointer_is_not_weights(tmp_path: Path) -> None:
    """Nothing else would say so: the engine complains about memory or a header."""
    folder = make(tmp_path, "model")
    (folder / "1" / "model.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "1/model.bin is a Git LFS pointer" in the_one(tmp_path).flaw


def test_two_of_a_name_are_refused(tmp_path: Path) -> None:
    """Triton would load neither."""
    first, second = make(tmp_path / "a", "model"), make(tmp_path / "b", "model")
    [model] = find_models([tmp_path / "a", tmp_path / "b"])
    assert (model.path, str(second) in model.flaw) == (first, True)


def test_each_change_of_a_file_is_seen(tmp_path: Path) -> None:
    """Also behind a link; what Python compiles is no change."""
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "w.bin").write_bytes(b"1")
    folder = make(tmp_path / "repository", "model")
    (folder / "1" / "weights").symlink_to(weights)
    before = the_one(tmp_path / "repository").fingerprint
    (folder / "1" / "__pycache__").mkdir()
    (folder / "1" / "__pycache__" / "model.pyc").write_bytes(b"")
    assert the_one(tmp_path / "repository").fingerprint == before
    os.utime(weights / "w.bin", ns=(1, 1))
    assert the_one(tmp_path / "repository").fingerprint != before


def test_a_repository_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It may be mounted later: the caller decides."""
    with pytest.raises(OSError, match="absent"):
        find_models([tmp_path / "absent"])


def test_a_folder_that_cannot_be_read_is_a_flaw_of_its_own(tmp_path: Path) -> None:
    """The others are as they are."""
    folder = make(tmp_path, "odd")
    (folder / "1" / "model.json").symlink_to("/proc/self/mem")  # a regular file that nobody can read at its beginning
    make(tmp_path, "good")
    flaws = {model.name: model.flaw for model in find_models([tmp_path])}
    assert flaws["odd"].startswith("it can't be read: ")
    assert flaws["good"] == ""


@pytest.mark.parametrize("target", ["nowhere", "loop"])
def test_a_link_to_nothing_is_no_file(tmp_path: Path, target: str) -> None:
    """It is passed over, as Triton does."""
    folder = make(tmp_path, "model")
    (folder / "1" / "loop").symlink_to(target)
    assert the_one(tmp_path).flaw == ""

"""Twin of gateway/cli/hub/folder.py."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.hub import folder
from gateway.cli.hub.folder import STAMP

TEXTS = {"1/model.json": "{}\n", "config.pbtxt": "backend\n"}


class Repository:
    """A model repository, and what was said about it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[str] = []

    def write(self, name: str = "m", model: str = "a/m", texts: Mapping[str, str] = TEXTS) -> Path:
        self.said.clear()
        folder.write(self.root / name, model, "c0ffee", texts, self.said.append)
        return self.root / name

    def remove_others(self, name: str = "", model: str | None = None) -> None:
        self.said.clear()
        folder.remove_others(self.root, name, model, self.said.append)

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir())


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_files_are_written_once(repository: Repository):
    """The second time nothing has changed."""
    place = repository.write()
    assert {name: (place / name).read_text() for name in TEXTS} == TEXTS
    assert repository.said == [f"wrote {place / name}" for name in TEXTS]
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    repository.write()
    assert repository.said == []
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before
    stamp = folder.read_stamp(place)
    assert stamp is not None
    assert (stamp.model, stamp.commit) == ("a/m", "c0ffee")


def test_what_changes_is_written_anew(repository: Repository):
    """And that alone."""
    place = repository.write()
    repository.write(texts={**TEXTS, "1/model.json": "new\n"})
    assert repository.said == [f"wrote {place / '1/model.json'}"]
    assert folder.edited(place) == []


def test_edited_file_is_kept(repository: Repository):
    """Again and again; one that is deleted is written anew."""
    place = repository.write()
    (place / "1/model.json").write_text("mine\n")
    for text in ("new\n", "newer\n"):
        repository.write(texts={**TEXTS, "1/model.json": text})
        assert (place / "1/model.json").read_text() == "mine\n"
        assert repository.said == [
            f"{place / '1/model.json'} was edited and stays as it is; delete it to have it written anew"
        ]
    (place / "1/model.json").unlink()
    repository.write()
    assert folder.edited(place) == []
    assert (place / "1/model.json").read_text() == "{}\n"


@pytest.mark.parametrize("present", ["{}\n", "new\n", None])
def test_own_file_is_no_edited_one_after_a_kill(repository: Repository, present: str | None):
    """The stamp is there before the files, with both digests."""
    place = repository.write()
    before = (place / STAMP).read_bytes()
    repository.write(texts={**TEXTS, "1/model.json": "new\n"})
    assert (place / STAMP).read_bytes() != before
    (place / "1/model.json").unlink()
    if present is not None:
        (place / "1/model.json").write_text(present)
    (place / "1" / ".model.json.partial").write_text("ha")
    assert folder.edited(place) == []


def test_folder_of_somebody_else_is_left_alone(repository: Repository):
    """Its name is taken; it is never removed."""
    theirs = repository.root / "m"
    theirs.mkdir()
    with pytest.raises(Problem, match="was not written by this program"):
        folder.check_free(theirs)
    repository.remove_others()
    assert repository.names == ["m"]
    folder.check_free(repository.write("other"))


@pytest.mark.parametrize("stamp", ["{", "[]", '{"version": 2, "model": "a/m", "commit": "c", "digests": {}}', "{}"])
def test_stamp_that_is_not_ours_is_none(repository: Repository, stamp: str):
    """Of a later version, or broken: nothing is removed by it."""
    place = repository.write()
    (place / STAMP).write_text(stamp)
    assert folder.read_stamp(place) is None
    repository.remove_others()
    assert repository.names == ["m"]


def test_other_models_are_removed(repository: Repository):
    """Those under another name, and of another model."""
    repository.write("m", "a/m")
    repository.write("n", "a/n")
    repository.remove_others("m", "a/m")
    assert repository.names == ["m"]
    assert repository.said == [f"n is no longer served: removed {repository.root / 'n'}"]
    repository.remove_others("m", "b/m")
    assert repository.names == []


def test_no_repository_is_no_trouble(tmp_path: Path):
    """Before the first model there is none."""
    folder.remove_others(tmp_path / "none", "m", "a/m", lambda _: None)


def test_edited_model_is_put_aside_and_brought_back(repository: Repository):
    """A folder with a dot is no model; what was there before stays, too."""
    place = repository.write()
    (place / "multi_lora.json").write_text("{}")
    repository.remove_others()
    assert repository.names == [".m"]
    assert "its edited files are kept" in repository.said[0]
    folder.bring_back(place, "b/m")
    assert repository.names == [".m"]
    other = repository.write("m", "b/m")
    (other / "config.pbtxt").write_text("mine")
    repository.remove_others()
    assert repository.names == [".m", ".m.2"]
    folder.bring_back(place, "a/m")
    assert repository.names == [".m.2", "m"]
    assert (place / "multi_lora.json").is_file()

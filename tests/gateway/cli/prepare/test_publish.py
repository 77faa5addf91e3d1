"""A prepared folder appears whole or not at all."""

import importlib.util
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[4] / "gateway" / "cli" / "prepare"


@pytest.fixture(autouse=True)
def _scripts_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a script of that folder runs."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_finished_folder_takes_its_place(tmp_path: Path) -> None:
    """Nothing is at the target before the block ends, and nothing else beside it afterwards."""
    from publish import published

    out = tmp_path / "models" / "m"
    with published(out) as folder:
        (folder / "a").write_text("1")
        assert not out.exists()
    assert (out / "a").read_text() == "1"
    assert _names(out.parent) == ["m"]


def test_a_new_folder_replaces_the_old(tmp_path: Path) -> None:
    """Files of the old one that the new one lacks are gone."""
    from publish import published

    for name in ("a", "b"):
        with published(tmp_path / "m") as folder:
            (folder / name).write_text(name)
    assert _names(tmp_path / "m") == ["b"]
    assert _names(tmp_path) == ["m"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    """What was there stays, what was begun goes."""
    from publish import published

    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "old").write_text("")

    def fail() -> None:
        with published(tmp_path / "m") as folder:
            (folder / "new").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert _names(tmp_path / "m") == ["old"]
    assert _names(tmp_path) == ["m"]


@pytest.mark.parametrize("replacing", [False, True])
def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path, replacing: bool) -> None:
    """Killed while filling, or between moving the old folder away and the new one in: the next run mends it."""
    from publish import published

    (tmp_path / ".m.partial").mkdir()
    (tmp_path / ".m.partial" / "half").write_text("")
    if replacing:
        (tmp_path / ".m.replaced").mkdir()
        (tmp_path / ".m.replaced" / "old").write_text("")
    with published(tmp_path / "m") as folder:
        assert _names(folder) == []
        assert (tmp_path / "m" / "old").exists() == replacing
        (folder / "new").write_text("")
    assert _names(tmp_path / "m") == ["new"]
    assert _names(tmp_path) == ["m"]


def test_files_are_readable_for_everyone(tmp_path: Path) -> None:
    """A library that writes for the owner only does not keep Triton's user out."""
    from publish import published

    with published(tmp_path / "m") as folder:
        (folder / "a").touch(mode=0o600)
    assert (tmp_path / "m" / "a").stat().st_mode & 0o777 == 0o644


def test_sources_are_found_without_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose import fails still gives its files, and what is missing is said by name."""
    from sources import SourceMissing, package_file

    package = tmp_path / "weights_of_a_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "data.bin").write_text("x")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.util.find_spec("weights_of_a_model") is not None
    assert package_file("weights_of_a_model", "data.bin") == package / "data.bin"
    with pytest.raises(SourceMissing, match=r"holds no other\.bin"):
        package_file("weights_of_a_model", "other.bin")
    with pytest.raises(SourceMissing, match="no_such_package is not installed"):
        package_file("no_such_package", "data.bin")

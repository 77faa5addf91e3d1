"""Twin of gateway/repository/wanted.py."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from gateway.repository.wanted import Wanted, change_wanted, read_wanted

MODEL = Path("/models/llm")


def test_everything_is_wanted_at_first(tmp_path: Path) -> None:
    """Where nobody has said anything."""
    assert read_wanted(tmp_path / "none").is_wanted(MODEL)


def test_an_unload_stands_until_a_load(tmp_path: Path) -> None:
    """In the file, which is for its user alone; a load counts, so that a loaded model is loaded anew."""
    folder = tmp_path / "state"
    change_wanted(folder, lambda wanted: wanted.unload(MODEL))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not read_wanted(folder).is_wanted(MODEL)
    assert read_wanted(folder).is_wanted(Path("/models/other"))
    change_wanted(folder, lambda wanted: wanted.load(MODEL))
    assert read_wanted(folder) == Wanted(loads={str(MODEL): 1})
    assert sorted(path.name for path in folder.iterdir()) == ["models.json", "models.lock"]


def test_changes_wait_for_one_another(tmp_path: Path) -> None:
    """Two that come together are both kept: the second begins with what the first has written."""
    second = threading.Thread(target=change_wanted, args=(tmp_path, lambda wanted: wanted.unload(MODEL)))

    def first(wanted: Wanted) -> Wanted:
        second.start()
        second.join(0.2)
        assert second.is_alive()
        return wanted.unload(Path("/models/other"))

    change_wanted(tmp_path, first)
    second.join(10)
    assert read_wanted(tmp_path).unloaded == {"/models/llm", "/models/other"}


def test_a_change_of_nothing_writes_nothing(tmp_path: Path) -> None:
    """An unload that is noted already, say."""
    change_wanted(tmp_path, lambda wanted: wanted)
    assert not (tmp_path / "models.json").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "\xff", '{"version": 2, "unloaded": [], "loads": {}}', '{"version": 1}']
)
def test_a_file_that_is_not_ours_is_named(tmp_path: Path, text: str) -> None:
    """With what to do about it."""
    (tmp_path / "models.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"models\.json can't be read .* move it aside"):
        read_wanted(tmp_path)

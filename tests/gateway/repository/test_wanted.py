"""Twin of gateway/repository/wanted.py."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.repository.wanted import Wanted, read_wanted, write_wanted

MODEL = Path("/models/llm")


def test_everything_is_wanted_at_first(tmp_path: Path) -> None:
    """Where nobody has said anything."""
    assert read_wanted(tmp_path / "none").is_wanted(MODEL)


def test_an_unload_stands_until_a_load(tmp_path: Path) -> None:
    """In the file, which is for its user alone; a load counts, so that a loaded model is loaded anew."""
    folder = tmp_path / "state"
    write_wanted(folder, Wanted().unload(MODEL))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not read_wanted(folder).is_wanted(MODEL)
    assert read_wanted(folder).is_wanted(Path("/models/other"))
    write_wanted(folder, read_wanted(folder).load(MODEL))
    assert read_wanted(folder) == Wanted(loads={str(MODEL): 1})
    assert [path.name for path in folder.iterdir()] == ["models.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "unloaded": [], "loads": {}}', '{"version": 1}'])
def test_a_file_that_is_not_ours_is_named(tmp_path: Path, text: str) -> None:
    """With what to do about it."""
    (tmp_path / "models.json").write_text(text)
    with pytest.raises(ValueError, match=r"models\.json can't be read .* move it aside"):
        read_wanted(tmp_path)

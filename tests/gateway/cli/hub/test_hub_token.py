"""Twin of gateway/cli/hub/hub_token.py."""

import os
from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.hub import hub_token

TOKEN = "hf_abcDEF123"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.mark.parametrize("content", [TOKEN, f"{TOKEN}\n", f"{TOKEN}\r\n", f"\ufeff{TOKEN}\r\n", f"  {TOKEN}  "])
def test_what_editors_add_is_no_part_of_it(file: Path, content: str):
    """A byte order mark, line ends, spaces."""
    file.write_bytes(content.encode())
    assert hub_token.read({"HF_TOKEN_PATH": str(file)}) == TOKEN


def test_variable_goes_before_the_file(file: Path):
    """As with huggingface_hub itself."""
    file.write_text("hf_other")
    assert hub_token.read({"HF_TOKEN_PATH": str(file), "HF_TOKEN": f"{TOKEN}\n"}) == TOKEN
    assert hub_token.read({"HF_TOKEN_PATH": str(file), "HF_TOKEN": ""}) == "hf_other"


def test_there_may_be_none(file: Path):
    """A secret that is not used has no file, or an empty one."""
    assert hub_token.read({"HF_TOKEN_PATH": str(file)}) is None
    file.write_text("\n")
    assert hub_token.read({"HF_TOKEN_PATH": str(file)}) is None


@pytest.mark.parametrize("variable", ["HF_HOME", "XDG_CACHE_HOME"])
def test_file_is_where_the_library_keeps_it(tmp_path: Path, variable: str):
    """If nothing else is said."""
    folder = tmp_path if variable == "HF_HOME" else tmp_path / "huggingface"
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(TOKEN)
    assert hub_token.read({variable: str(tmp_path)}) == TOKEN


def test_unreadable_file_is_named_with_the_user(file: Path, monkeypatch: pytest.MonkeyPatch):
    """Who must be able to read it, and how it is now."""
    file.write_text(TOKEN)
    file.chmod(0o600)

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "read_text", refuse)  # root may read everything
    with pytest.raises(Problem) as caught:
        hub_token.read({"HF_TOKEN_PATH": str(file)})
    what = caught.value.what
    assert f"{file} must be readable for user {os.geteuid()}" in what
    assert f"mode 0600 and belongs to user {os.geteuid()}" in what


def test_folder_is_told_as_one(tmp_path: Path):
    """Docker makes one where the file is missing."""
    with pytest.raises(Problem, match="is a folder") as caught:
        hub_token.read({"HF_TOKEN_PATH": str(tmp_path)})
    assert "Docker makes a folder" in caught.value.fix


@pytest.mark.parametrize("content", [b"one\ntwo", b"\xff\xfe\x00", "hf_ä".encode()])
def test_what_is_no_token_is_refused(file: Path, content: bytes):
    """It could not be sent, and its content is not repeated."""
    file.write_bytes(content)
    with pytest.raises(Problem, match="token") as caught:
        hub_token.read({"HF_TOKEN_PATH": str(file)})
    assert "two" not in str(caught.value)

"""The files of a model's folder, by allow-listed names."""

from __future__ import annotations

import hashlib
import json

import pytest
from vllm_custom.contract.files import PART_SIZE, Files
from vllm_custom.errors import NotFound


def test_only_known_names_are_found(tmp_path):
    """In the order of the list, with size and digest; whatever else lies in the folder is not there."""
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "tokenizer.json").write_bytes(b"abc")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "chat_template.jinja").mkdir()
    listed = Files.scan(tmp_path).as_json()
    assert [file["name"] for file in listed] == ["tokenizer.json", "config.json"]
    assert listed[0] == {"name": "tokenizer.json", "size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}


@pytest.mark.parametrize("size", [0, 1, PART_SIZE, PART_SIZE + 1])
def test_parts_are_the_file(tmp_path, size):
    """No part is larger than the limit, their offsets join, and an empty file has one part."""
    content = bytes(size)
    (tmp_path / "config.json").write_bytes(content)
    parts = Files.scan(tmp_path).read(["config.json"])
    assert b"".join(part.data for part in parts) == content
    assert [part.offset for part in parts] == list(range(0, max(size, 1), PART_SIZE))
    assert all(len(part.data) <= PART_SIZE for part in parts)


def test_unknown_name_is_refused_before_anything_is_read(tmp_path):
    """Also behind one that is known."""
    (tmp_path / "config.json").write_bytes(b"{}")
    with pytest.raises(NotFound, match="secrets"):
        Files.scan(tmp_path).read(["config.json", "secrets.txt"])


def test_file_that_has_gone_is_not_found(tmp_path):
    """It was there when the model was loaded."""
    (tmp_path / "config.json").write_bytes(b"{}")
    files = Files.scan(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(NotFound, match="any more"):
        files.read(["config.json"])


@pytest.mark.parametrize(
    ("written", "enough"),
    [
        ({}, False),
        ({"tokenizer.json": "{}"}, False),
        ({"tokenizer.json": "{}", "chat_template.jinja": "t"}, True),
        ({"tokenizer.json": "{}", "tokenizer_config.json": json.dumps({"chat_template": "t"})}, True),
        ({"tokenizer.json": "{}", "tokenizer_config.json": json.dumps({"chat_template": ""})}, False),
        ({"tokenizer.json": "{}", "tokenizer_config.json": "[]"}, False),
        ({"chat_template.jinja": "t"}, False),
    ],
)
def test_chat_needs_a_tokenizer_and_a_template(tmp_path, written, enough):
    """The template in a file of its own, or in the tokenizer's configuration."""
    for name, content in written.items():
        (tmp_path / name).write_text(content)
    assert Files.scan(tmp_path).suffice_for_chat() is enough


def test_model_without_a_folder_has_no_files():
    """As one that is named by its name in a hub."""
    files = Files.scan(None)
    assert files.as_json() == []
    assert not files.suffice_for_chat()

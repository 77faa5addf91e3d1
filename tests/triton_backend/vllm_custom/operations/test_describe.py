"""`describe`: what is served, and the files."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

import numpy as np
import pytest


def only_error(sender):
    (record,) = sender.finish()
    assert record[1] == "error"
    return record


def test_description_says_what_is_served(start):
    """describe names the engine, its limits and the files a gateway needs."""
    (record,) = start(max_model_len=100).ask("describe").finish()
    description = record[3]
    assert description["backend"] == "vllm_custom"
    assert description["contract"] == [1]
    assert (description["engine"], description["model"], description["context_length"]) == ("replay", "toy", 100)
    assert description["renderer"] == "gateway"
    assert [file["name"] for file in description["files"]] == ["tokenizer.json", "chat_template.jinja", "config.json"]


@pytest.mark.parametrize(
    ("written", "names"), [({}, []), ({"served_model_name": ["owner/toy", "a"]}, ["owner/toy", "a"])]
)
def test_description_has_the_further_names(start, written, names):
    """By which a gateway may answer, too."""
    assert start(**written).ask("describe").finish()[0][3]["names"] == names


def test_description_says_where_it_runs(start):
    """The environment by its name, without its path, and what is installed in it."""
    environment = start().ask("describe").finish()[0][3]["environment"]
    assert environment["name"] == Path(sys.prefix).name
    assert environment["python"] == platform.python_version()
    assert environment["numpy"] == np.__version__
    assert environment["vllm"] is None


def test_without_template_the_backend_renders(start, model_directory):
    """Where no template is among the files, the gateway is told that they do not suffice."""
    (model_directory / "1" / "weights" / "chat_template.jinja").unlink()
    assert start().ask("describe").finish()[0][3]["renderer"] == "backend"


def test_files_come_in_parts_with_their_digest(start, model_directory):
    """A large file arrives in slices of at most a MiB, whose bytes are the file's, and then the description."""
    content = bytes(range(256)) * 10000
    (model_directory / "1" / "weights" / "special_tokens_map.json").write_bytes(content)
    sender = start().ask("describe", files=["special_tokens_map.json", "config.json"])
    records = sender.finish()
    parts = [record for record in records if record[1] == "part"]
    assert [(part[3], part[4], part[5]) for part in parts] == [
        ("special_tokens_map.json", 0, 1 << 20),
        ("special_tokens_map.json", 1 << 20, 1 << 20),
        ("special_tokens_map.json", 2 << 20, len(content) - (2 << 20)),
        ("config.json", 0, 2),
    ]
    received = [data for data in sender.parts if data is not None]
    assert b"".join(received[:3]) == content
    listed = {file["name"]: file for file in records[-1][3]["files"]}
    assert listed["special_tokens_map.json"]["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["secrets.txt", "../model.json", "tokenizer_config.json", ""])
def test_other_files_are_not_served(start, name):
    """Only files of the description can be had."""
    assert only_error(start().ask("describe", files=["config.json", name]))[3] == "not_found"

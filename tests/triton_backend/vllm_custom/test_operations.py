"""describe, stats, and envelopes that are wrong."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.triton_python_backend import InferenceRequest, Tensor


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


def test_stats_count_what_runs(start):
    """stats tells queued and running requests, and whether the engine lives."""
    backend = start({"prompt": "wait", "prefill_seconds": 3600})
    backend.generate("wait").wait_for("accepted")
    assert backend.stats() == {
        "accepting": True, "ready": True, "queued": 0, "running": 1, "engine": "replay", "alive": True,
        "unfinished": 1, "state": "serving", "reason": None, "restarts": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("envelope", "rid", "param"),
    [
        (b"", "", None),
        (b"\xff\xfe", "", None),
        (b"[" * 100_000, "", None),
        (b'"text"', "", None),
        (b'{"v": NaN}', "", None),
        ({"v": 2, "op": "stats", "rid": "a"}, "a", "v"),
        ({"v": True, "op": "stats", "rid": "a"}, "a", "v"),
        ({"op": "stats", "rid": "a"}, "a", "v"),
        ({"v": 1, "op": "stats"}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": "a b"}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": "a\n"}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": "x" * 65}, "", "rid"),
        ({"v": 1, "op": "stats", "rid": 7}, "", "rid"),
        ({"v": 1, "op": "frob", "rid": "a"}, "a", "op"),
        ({"v": 1, "op": ["stats"], "rid": "a"}, "a", "op"),
        ({"v": 1, "op": "stats", "rid": "a", "more": 1}, "a", "more"),
        ({"v": 1, "op": "abort", "rid": "a"}, "a", "target"),
        ({"v": 1, "op": "abort", "rid": "a", "target": ""}, "a", "target"),
        ({"v": 1, "op": "describe", "rid": "a", "files": "config.json"}, "a", "files"),
        ({"v": 1, "op": "describe", "rid": "a", "model": "other"}, "a", "model"),
        ({"v": 1, "op": "generate", "rid": "a", "prompt": "p"}, "a", "api"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat"}, "a", "prompt"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": ""}, "a", "prompt"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p", "body": []}, "a", "body"),
        ({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p", "body": {"messages": [1]}}, "a",
         "messages"),
    ],
)  # fmt: skip
def test_bad_envelope_is_one_error(start, envelope, rid, param):
    """Whatever is wrong with an envelope, the answer is one bad_request that names the key, with the rid if it has one."""
    record = only_error(start().send(InferenceRequest(envelope)))
    assert (record[0], record[3], record[5]) == (rid, "bad_request", param)


@pytest.mark.parametrize("token_ids", [[], [[1, 2]], [-1, 2]])
def test_bad_token_ids_are_refused(start, token_ids):
    """Token ids are one row, not empty, not negative."""
    assert only_error(start().ask("generate", api="chat", token_ids=token_ids))[5] == "token_ids"


def test_both_prompts_are_refused(start):
    """Text and token ids together leave open which is meant."""
    sender = start().ask("generate", api="chat", prompt="p", token_ids=[1])
    assert only_error(sender)[5] == "prompt"


def test_media_is_refused(start):
    """A text model says that it takes no images."""
    envelope = {"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p"}
    media = Tensor("media", np.array([b"png"], dtype=np.object_))
    assert only_error(start().send(InferenceRequest(envelope, tensors=[media])))[5] == "media"


def test_doubled_envelope_is_refused(start):
    """A request with two elements in the tensor has an answer too."""
    doubled = Tensor("request", np.array([b"{}", b"{}"], dtype=np.object_))
    assert only_error(start().send(InferenceRequest(tensors=[doubled])))[5] == "request"

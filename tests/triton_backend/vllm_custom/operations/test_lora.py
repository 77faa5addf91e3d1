"""`lora`: adapters into and out of a running model."""

from __future__ import annotations

import pytest


@pytest.fixture
def backend(start, adapter_directory):
    return start({"text": "x"}, vllm_custom={"lora_directory": str(adapter_directory)})


def test_adapters_come_and_go_by_name(backend):
    """What is loaded is listed, described and may be asked for; what is unloaded is not found."""
    assert backend.lora("list") == {"loras": []}
    assert backend.lora("load", name="poet", path="poet") == {"loras": ["poet"]}
    assert backend.lora("load", name="lex", path="lawyer") == {"loras": ["lex", "poet"]}
    assert backend.ask("describe").finish()[0][3]["loras"] == ["lex", "poet"]
    keys = {"api": "chat", "prompt": "p", "body": {}}
    assert backend.ask("generate", lora="poet", **keys).finish()[-1][1] == "end"
    assert backend.lora("unload", name="poet") == {"loras": ["lex"]}
    assert backend.ask("generate", lora="poet", **keys).finish()[-1][3:6] == ["not_found", None, "lora"]


@pytest.mark.parametrize(
    ("keys", "refusal"),
    [
        ({"name": "a", "path": "../outside"}, ("bad_request", None, "path")),
        ({"name": "a", "path": "link"}, ("bad_request", None, "path")),
        ({"name": "a", "path": "/etc"}, ("bad_request", None, "path")),
        ({"name": "a", "path": "x\x00y"}, ("bad_request", None, "path")),
        ({"name": "a", "path": "empty"}, ("not_found", None, "path")),
        ({"name": "a", "path": "absent"}, ("not_found", None, "path")),
        ({"name": "a"}, ("bad_request", None, "path")),
        ({"path": "poet"}, ("bad_request", None, "name")),
        ({"name": "../a", "path": "poet"}, ("bad_request", None, "name")),
        ({"name": 5, "path": "poet"}, ("bad_request", None, "name")),
    ],
)
def test_only_folders_of_the_directory_are_loaded(backend, keys, refusal):
    """No path leads out of it, by dots, links or otherwise."""
    assert backend.lora("load", **keys) == refusal


def test_a_name_is_taken_once(backend):
    """A second adapter of the same name waits for the first to go; a name never heard of is not found."""
    backend.lora("load", name="poet", path="poet")
    assert backend.lora("load", name="poet", path="lawyer") == ("bad_request", None, "name")
    assert backend.lora("unload", name="nobody") == ("not_found", None, "lora")
    assert backend.lora("dance", name="poet") == ("bad_request", None, "action")


def test_without_a_directory_nothing_is_loaded(start):
    """The message says what would allow it."""
    (record,) = start().ask("lora", action="load", name="a", path="b").finish()
    assert record[3] == "bad_request"
    assert "lora_directory" in record[6]

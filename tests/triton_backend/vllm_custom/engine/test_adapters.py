"""LoRA adapters by name: loading, unloading, and folders that are none of theirs."""

from __future__ import annotations

import json
import logging

import pytest
from vllm_custom.configuration.config import load
from vllm_custom.engine.adapters import Adapters
from vllm_custom.errors import BadRequest, ConfigError


def test_directory_must_be_one(start, tmp_path):
    """A misspelt folder does not load."""
    with pytest.raises(ConfigError, match="lora_directory"):
        start(vllm_custom={"lora_directory": str(tmp_path / "absent")})


def test_numbers_are_never_used_again(adapter_directory):
    """vLLM caches what it computed by number: a new adapter must not find an old one's."""
    adapters = Adapters(adapter_directory)
    first = adapters.prepare("a", "poet")
    adapters.add(first)
    adapters.remove(first)
    assert adapters.prepare("a", "poet").number > first.number
    with pytest.raises(BadRequest):
        Adapters(None).prepare("a", "poet")


def test_adapters_of_multi_lora_are_there_from_the_start(tmp_path, adapter_directory):
    """Under the numbers that official requests give them; their names are not given away, and they stay."""
    (tmp_path / "multi_lora.json").write_text(json.dumps({"b": "/loras/b", "a": "/loras/a"}))
    written = {"vllm_custom": {"lora_directory": str(adapter_directory)}, "enable_lora": True, "model": str(tmp_path)}
    (tmp_path / "model.json").write_text(json.dumps(written))
    adapters = Adapters.of(load("toy", tmp_path))
    assert adapters.names == ["a", "b"]
    assert (adapters.get("b").number, adapters.get("a").number) == (1, 2)
    with pytest.raises(BadRequest):
        adapters.prepare("a", "poet")
    with pytest.raises(BadRequest):
        adapters.get_removable("a")


DIES = {"prompt": "die", "die_at": 0}
FAST = {"check_seconds": 0.005, "backoff_seconds": 0.001}


def kill_engine(backend):
    """The engine dies, and another serves."""
    assert backend.generate("die").finish()[-1][3] == "unavailable"
    while not backend.model.is_ready():
        pass


def test_adapters_survive_the_engine(start, adapter_directory):
    """An engine that follows another in place has the adapters that were loaded into that, under their names."""
    backend = start(DIES, {"text": "x"}, vllm_custom={"lora_directory": str(adapter_directory), **FAST})
    backend.lora("load", name="poet", path="poet")
    kill_engine(backend)
    assert backend.ask("describe").finish()[0][3]["loras"] == ["poet"]
    assert backend.ask("generate", lora="poet", api="chat", prompt="p", body={}).finish()[-1][1] == "end"
    assert backend.lora("load", name="poet", path="poet") == ("bad_request", None, "name")
    assert backend.lora("unload", name="poet") == {"loras": []}


def test_adapter_whose_folder_has_gone_is_lost_with_its_engine(start, adapter_directory, caplog):
    """It alone, and the log says so; the others are there."""
    backend = start(DIES, {"text": "x"}, vllm_custom={"lora_directory": str(adapter_directory), **FAST})
    for name, path in (("poet", "poet"), ("lex", "lawyer")):
        backend.lora("load", name=name, path=path)
    (adapter_directory / "poet" / "adapter_config.json").unlink()
    with caplog.at_level("WARNING", "vllm_custom.engine.adapters"):
        logging.getLogger("vllm_custom").propagate = True
        kill_engine(backend)
    assert backend.lora("list") == {"loras": ["lex"]}
    assert "poet is lost" in caplog.text


def write_table(model_directory, **adapters):
    (model_directory / "1" / "multi_lora.json").write_text(json.dumps({n: str(path) for n, path in adapters.items()}))


def test_adapters_of_multi_lora_are_described(start, model_directory, adapter_directory):
    """Also where no folder allows others to be loaded."""
    write_table(model_directory, b=adapter_directory / "poet", a=adapter_directory / "lawyer")
    assert start(enable_lora=True).ask("describe").finish()[0][3]["loras"] == ["a", "b"]
    assert start().ask("describe").finish()[0][3]["loras"] is None


def test_directory_may_lie_in_the_version_directory(start, model_directory):
    """`${MODEL}` stands for it, as everywhere in model.json."""
    (model_directory / "1" / "adapters").mkdir()
    backend = start(vllm_custom={"lora_directory": "${MODEL}/adapters"})
    assert backend.lora("list") == {"loras": []}


def test_adapter_of_multi_lora_that_can_not_be_loaded_keeps_its_model_out(start, model_directory, adapter_directory):
    """A request that names it would end the engine. The error says which adapter it is, and why."""
    write_table(model_directory, poet=adapter_directory / "poet", gone=adapter_directory / "gone")
    with pytest.raises(ConfigError, match=r"multi_lora\.json: gone in .*/gone: .* has no adapter_config\.json"):
        start(enable_lora=True)


def test_adapter_of_multi_lora_that_has_gone_is_lost_with_its_engine(start, model_directory, adapter_directory):
    """The engine that follows serves without it: it worked, and its model is needed."""
    write_table(model_directory, poet=adapter_directory / "poet", lex=adapter_directory / "lawyer")
    backend = start(DIES, {"text": "x"}, enable_lora=True, vllm_custom=FAST)
    (adapter_directory / "poet" / "adapter_config.json").unlink()
    kill_engine(backend)
    assert backend.lora("list") == {"loras": ["lex"]}
    assert backend.ask("generate", lora="poet", api="chat", prompt="p", body={}).finish()[-1][3] == "not_found"

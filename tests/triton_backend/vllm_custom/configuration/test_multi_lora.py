"""NVIDIA's multi_lora.json, and requests that name an adapter."""

from __future__ import annotations

import json

import pytest
from vllm_custom.configuration.multi_lora import load
from vllm_custom.engine.interface import Facts
from vllm_custom.errors import ConfigError

FACTS = Facts("replay", "1", 64, 100, ("generate",), None)
TABLE = {"alpaca": "/loras/alpaca", "WizardLM": "/loras/wizard"}


@pytest.mark.parametrize("switch", [True, "true", "True"])
def test_adapters_are_read_in_order(tmp_path, switch):
    """Where `enable_lora` is on, as a flag or as the text of NVIDIA's tutorial."""
    (tmp_path / "multi_lora.json").write_text(json.dumps(TABLE))
    assert list(load(tmp_path, {"enable_lora": switch}).items()) == list(TABLE.items())


@pytest.mark.parametrize("arguments", [{}, {"enable_lora": False}, {"enable_lora": "false"}])
def test_without_the_switch_the_file_is_not_read(tmp_path, arguments):
    """As with the official backend."""
    (tmp_path / "multi_lora.json").write_text("{")
    assert load(tmp_path, arguments) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_faulty_file_is_refused_with_its_name(tmp_path, text):
    """The model does not load."""
    (tmp_path / "multi_lora.json").write_text(text)
    with pytest.raises(ConfigError, match=r"multi_lora\.json"):
        load(tmp_path, {"enable_lora": True})


def test_missing_file_is_an_empty_table(tmp_path):
    """The official backend refuses to load; here adapters may come while the model runs."""
    assert load(tmp_path, {"enable_lora": True}) == {}


def test_adapters_may_lie_in_the_version_directory(tmp_path):
    """`${MODEL}` stands for it, as in model.json, so that the model's folder may lie anywhere."""
    (tmp_path / "multi_lora.json").write_text('{"poet": "${MODEL}/adapters/poet"}')
    assert load(tmp_path, {"enable_lora": True}) == {"poet": f"{tmp_path}/adapters/poet"}

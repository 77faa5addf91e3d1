"""model.json to an EngineConfig."""

from __future__ import annotations

import json

import pytest
from vllm_custom.configuration import config
from vllm_custom.errors import ConfigError


@pytest.fixture
def version(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path


def load(version, document):
    (version / "model.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return config.load("toy", version)


def test_model_stands_for_the_version_directory(version):
    """`${MODEL}` is expanded wherever it stands in a text, and nothing else is."""
    document = {"model": "${MODEL}/weights", "x": {"y": ["${MODEL}", "$HOME", "${OTHER}", 3]}}
    loaded = load(version, document)
    assert loaded.arguments["model"] == f"{version}/weights"
    assert loaded.arguments["x"] == {"y": [str(version), "$HOME", "${OTHER}", 3]}
    assert loaded.engine == "vllm"


def test_hub_name_needs_no_folder(version):
    """A model of the hub is vLLM's to find."""
    assert load(version, {"model": "org/name"}).arguments["model"] == "org/name"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ({}, '"model"'),
        ({"model": ""}, '"model"'),
        ({"model": 7}, '"model"'),
        ({"model": "${MODEL}/absent"}, "not a folder"),
        ({"model": "${MODEL}/weights", "engine": "other"}, "vllm, replay"),
    ],
)
def test_faulty_file_is_refused_with_its_name(version, document, complaint):
    """The message names the file and what is wrong in it."""
    with pytest.raises(ConfigError, match=complaint) as refusal:
        load(version, document)
    assert "model.json" in str(refusal.value)


def test_missing_file_says_what_to_write(tmp_path):
    """Without a model.json the message shows one."""
    with pytest.raises(ConfigError, match=r"\$\{MODEL\}/weights"):
        config.load("toy", tmp_path)


@pytest.mark.parametrize("extra", [{"max_modellen": 1}, {"script": [{"txt": "a"}]}, {"script": {}}])
def test_unknown_keys_are_refused(start, extra):
    """A misspelt key is an error, not a default."""
    with pytest.raises(ConfigError):
        start(**extra)


TYPES = {"model": str, "enforce_eager": bool, "max_model_len": int, "disable_log_stats": bool}


def test_sample_of_nvidia_loads_with_a_warning(version, caplog):
    """An argument that vLLM has lost is named in a warning and left out; the rest arrives."""
    sample = {"model": "m", "disable_log_requests": True, "swap_space": 4, "enforce_eager": True}
    arguments = config.checked(load(version, sample), TYPES)
    assert arguments == {"model": "m", "enforce_eager": True}
    assert [record.args[1] for record in caplog.records] == ["disable_log_requests", "swap_space"]
    assert all("model.json" in record.getMessage() for record in caplog.records)


def test_argument_that_vllm_still_has_is_kept(version, caplog):
    """Only what the installed vLLM does not know can be lost: an older one has its argument."""
    loaded = load(version, {"model": "m", "swap_space": 4})
    assert config.checked(loaded, {**TYPES, "swap_space": float})["swap_space"] == 4
    assert not caplog.records


def test_argument_that_never_was_is_an_error(version):
    """A misspelling is not mistaken for an argument of the past, and only it is named."""
    loaded = load(version, {"model": "m", "enforce_eagre": True, "swap_space": 4})
    with pytest.raises(ConfigError, match="enforce_eagre") as refusal:
        config.checked(loaded, TYPES)
    assert "swap_space" not in str(refusal.value)


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("False", False), (True, True)])
def test_flags_may_be_texts(version, written, meant):
    """NVIDIA's tutorial writes "true"; and "false" is false."""
    assert config.checked(load(version, {"model": "m", "enforce_eager": written}), TYPES)["enforce_eager"] is meant


def test_text_that_is_no_flag_is_refused(version):
    """The message names the argument."""
    with pytest.raises(ConfigError, match="enforce_eager must be true or false"):
        config.checked(load(version, {"model": "m", "enforce_eager": "maybe"}), TYPES)


def test_configuration_cannot_be_changed(version):
    """What was checked stays what it was."""
    loaded = load(version, {"model": "${MODEL}/weights"})
    with pytest.raises(TypeError):
        loaded.arguments["model"] = "other"

"""Models of the hub, over a cache as huggingface_hub writes it."""

from __future__ import annotations

import json

import pytest
from vllm_custom.configuration import hub
from vllm_custom.configuration.config import EngineConfig
from vllm_custom.errors import ConfigError

NAME = "owner/tiny"
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture
def source(tmp_path):
    return tmp_path / "repository" / "m" / "1" / "model.json"


@pytest.fixture
def put(tmp_path):
    """Put files of these names into the cache."""

    def put(*names, revision="main", commit="c0ffee"):
        folder = tmp_path / "home" / "hub" / "models--owner--tiny"
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        (folder / "refs" / revision).write_text(commit)
        (folder / "snapshots" / commit).mkdir(parents=True, exist_ok=True)
        for name in names:
            content = json.dumps({"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}})
            (folder / "snapshots" / commit / name).write_text(content if name == INDEX else "{}")

    return put


def config(source, model=NAME, engine="vllm", **arguments):
    return EngineConfig("m", source, engine, {"model": model, **arguments})


def environment(tmp_path, offline):
    return {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": offline}


def settled(tmp_path, config, offline="0"):
    """Whether the hub is asked, after all."""
    chosen = environment(tmp_path, offline)
    hub.settle(config, chosen)
    return chosen["HF_HUB_OFFLINE"]


def test_model_that_may_not_be_downloaded_is_refused(tmp_path, source):
    """Before vLLM's own complaint, which names neither the file nor what to do."""
    with pytest.raises(ConfigError) as caught:
        settled(tmp_path, config(source), offline="1")
    for said in (str(source), repr(NAME), str(tmp_path / "home" / "hub"), "HF_HUB_OFFLINE=0", "hf download"):
        assert said in str(caught.value)


def test_model_in_the_cache_is_not_refused(tmp_path, source, put):
    """Without its revision it would be."""
    put(CONFIG)
    assert settled(tmp_path, config(source), offline="1") == "1"
    with pytest.raises(ConfigError):
        settled(tmp_path, config(source, revision="other"), offline="1")


@pytest.mark.parametrize(
    ("files", "asks"),
    [
        ((CONFIG, TOKENIZER, WEIGHTS), False),
        (("params.json", "tekken.json", "consolidated.safetensors"), False),
        ((CONFIG, TOKENIZER, INDEX, "part-1.safetensors", "part-2.safetensors"), False),
        ((CONFIG, TOKENIZER, INDEX, "part-1.safetensors"), True),
        ((CONFIG, WEIGHTS), True),
        ((CONFIG, TOKENIZER), True),
        ((TOKENIZER, WEIGHTS), True),
        ((), True),
    ],
)
def test_start_from_a_full_cache_asks_nothing(tmp_path, source, put, files, asks):
    """Where downloads are allowed, and something is missing, the hub is asked."""
    put(*files)
    assert settled(tmp_path, config(source)) == ("0" if asks else "1")


def test_full_revision_asks_nothing(tmp_path, source, put):
    """By its name or its commit."""
    put(CONFIG, TOKENIZER, WEIGHTS, revision="v2", commit="beef")
    assert settled(tmp_path, config(source, revision="v2")) == "1"
    assert settled(tmp_path, config(source, revision="beef")) == "1"
    assert settled(tmp_path, config(source)) == "0"


@pytest.mark.parametrize("argument", ["tokenizer", "speculative_config", "enable_lora", "download_dir"])
def test_engine_that_needs_more_may_ask(tmp_path, source, put, argument):
    """Another repository, or another folder: what is there is not known."""
    put(CONFIG, TOKENIZER, WEIGHTS)
    assert settled(tmp_path, config(source, **{argument: "x"})) == "0"


def test_what_is_no_model_of_the_hub_is_left_alone(tmp_path, source):
    """A folder, an address, the scripted engine, another hub."""
    for chosen in (config(source, str(tmp_path)), config(source, "s3://bucket/m"), config(source, engine="replay")):
        assert settled(tmp_path, chosen, offline="1") == "1"
    hub.settle(config(source), {**environment(tmp_path, "1"), "VLLM_USE_MODELSCOPE": "true"})


@pytest.mark.parametrize("kind", [OSError, ValueError, RuntimeError])
def test_failed_download_names_model_file_and_remedy(tmp_path, source, kind):
    """In one line, with the beginning of what vLLM said."""
    error = kind("404 Client Error\nmore")
    with pytest.raises(ConfigError) as caught, hub.failure_named(config(source), environment(tmp_path, "0")):
        raise error
    for said in (str(source), repr(NAME), "(404 Client Error)", "HF_TOKEN"):
        assert said in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("model", "files", "arguments"),
    [
        (NAME, (CONFIG, WEIGHTS), {}),
        (NAME, (CONFIG,), {"load_format": "dummy"}),
        ("/", (), {}),
        (NAME, (), {"download_dir": "/x"}),
    ],
)
def test_other_failures_stay_as_they_are(tmp_path, source, put, model, files, arguments):
    """Of a folder, of a model that the hub has given, and where that is not known."""
    put(*files)
    chosen = config(source, model, **arguments)
    with pytest.raises(RuntimeError, match="no memory"), hub.failure_named(chosen, environment(tmp_path, "0")):
        raise RuntimeError("no memory")


@pytest.mark.parametrize(
    ("model", "arguments", "names"),
    [
        (NAME, {}, (NAME,)),
        (NAME, {"served_model_name": "mine"}, ("mine",)),
        ("/", {"served_model_name": ["mine", "yours"]}, ("mine", "yours")),
        ("/", {}, ()),
    ],
)
def test_names_are_those_of_vllm_serve(tmp_path, source, model, arguments, names):
    """What is written, or the name on the hub; a folder has none."""
    assert hub.names(config(source, model, **arguments), environment(tmp_path, "1")) == names


@pytest.mark.parametrize(
    ("variables", "cache"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/a"}, "/a/hub"),
        ({"XDG_CACHE_HOME": "/a"}, "/a/huggingface/hub"),
    ],
)
def test_cache_is_where_the_variables_say(source, variables, cache):
    """As huggingface_hub reads them."""
    with pytest.raises(ConfigError, match=f"the cache {cache} "):
        hub.settle(config(source), {**variables, "HF_HUB_OFFLINE": "1"})

"""Twin of gateway/cli/hub/options.py."""

from pathlib import Path

import pytest

from gateway.cli.errors import Problem
from gateway.cli.hub import options

DIR = ["--repository", "/models"]


def test_command_line_goes_before_the_environment():
    """And an empty variable, as Compose hands it in, is none."""
    environment = {"MODEL": "a/b", "MAX_MODEL_LEN": "100", "TENSOR_PARALLEL_SIZE": "", "MODEL_DTYPE": "float16"}
    read = options.read(["c/d", *DIR, "--max-model-len", "200"], environment)
    assert (read.model, read.max_model_len, read.tensor_parallel_size) == ("c/d", 200, 1)
    assert (read.dtype, read.repository, read.device) == ("float16", Path("/models"), "auto")
    assert options.read(DIR, environment).model == "a/b"
    assert options.read(DIR, {"MODEL": ""}).model is None
    assert options.read(["", *DIR], {"MODEL": "a/b"}).model is None
    assert options.read([" a/b ", *DIR], {}).model == "a/b"


@pytest.mark.parametrize(
    ("given", "name"),
    [(["Qwen/Qwen3-0.6B"], "Qwen3-0.6B"), (["gpt2"], "gpt2"), (["Qwen/Qwen3-0.6B", "--name", "qwen"], "qwen")],
)
def test_name_is_the_last_part(given: list[str], name: str):
    """Unless another is given."""
    assert options.read([*given, *DIR], {}).served_name == name


@pytest.mark.parametrize("model", ["/srv/models/x", "../x", "a/b/c", "a b/c", "https://hub/a/b", "a/b:Q4_K_M", "a/.b"])
def test_what_names_no_model_of_the_hub_is_refused(model: str):
    """A folder, an address, a tag of llama.cpp."""
    with pytest.raises(Problem, match="no name of a model of the hub"):
        options.read([model, *DIR], {})


@pytest.mark.parametrize("name", ["a b", ".a", "ä", "a/b", "lost+found"])
def test_name_that_no_folder_of_a_model_may_have_is_refused(name: str):
    """By the rules of the model repository."""
    with pytest.raises(Problem, match="can't be served as"):
        options.read(["a/b", "--name", name, *DIR], {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TENSOR_PARALLEL_SIZE", "0"),
        ("MAX_MODEL_LEN", "8k"),
        ("GPU_MEMORY_UTILIZATION", "1.5"),
        ("GPU_MEMORY_UTILIZATION", "0"),
        ("MODEL_DTYPE", "half"),
        ("MODEL_DEVICE", "tpu"),
        ("MODEL_LEAVE_GB", "-1"),
    ],
)
def test_nonsense_in_a_variable_is_refused_like_an_option(name: str, value: str, capsys: pytest.CaptureFixture[str]):
    """With the name of the option, which stands beside the variable's in the help."""
    with pytest.raises(SystemExit):
        options.read(["a/b", *DIR], {name: value})
    assert "error: argument --" in capsys.readouterr().err


def test_devices_are_a_list():
    """Of indices and UUIDs."""
    assert options.read(["a/b", *DIR, "--gpu-device-ids", "1, GPU-5f2c"], {}).gpu_device_ids == ("1", "GPU-5f2c")

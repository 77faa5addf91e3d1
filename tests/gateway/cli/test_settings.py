"""Twin of gateway/cli/settings.py; the settings themselves are tested in tests/gateway/test_settings.py."""

from pathlib import Path
from typing import Any

import pytest

from gateway import defaults
from gateway.cli.errors import Problem
from gateway.cli.settings import Given, read
from gateway.settings import ENV_PREFIX, Settings

TOML = """
host = "10.0.0.5"
port = 9000
workers = 2
state_dir = "/var/lib/gateway"
triton_urls = ["a:1", "b:2"]
api_keys = ["sk-1"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "gateway.toml"
    path.write_text(TOML)
    return path


def everything(given: Given) -> dict[str, Any]:
    return {
        "host": given.text("host"),
        "port": given.number("port", most=65535),
        "workers": given.number("workers", most=256),
        "state_dir": given.state_dir,
        "triton_urls": tuple(given.texts("triton_urls")),
    }


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"PORT": "9001"},
        {"TRITON_URLS": "c:3, d:4", "STATE_DIR": "/s", "HOST": "::", "WORKERS": "3"},
    ],
)
def test_it_reads_what_the_gateway_reads(
    environment: dict[str, str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file, and before it from the environment."""
    variables = {ENV_PREFIX + name: value for name, value in {"CONFIG_FILE": str(file), **environment}.items()}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert everything(read(variables)) == {name: getattr(settings, name) for name in everything(read({}))}


def test_variables_are_read_in_any_case(file: Path) -> None:
    """As the gateway does."""
    assert read({"triton_gateway_config_file": str(file)}).text("host") == "10.0.0.5"


def test_nothing_is_set_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state has its own folder then; a relative one is below the present folder."""
    given = read({})
    assert (given.text("host"), given.number("port", most=1), given.texts("triton_urls")) == (None, None, [])
    assert given.state_dir == defaults.state_dir()
    monkeypatch.chdir(tmp_path)
    assert read({"TRITON_GATEWAY_STATE_DIR": "state"}).state_dir == tmp_path / "state"


@pytest.mark.parametrize("content", ["port =", "\xff"])
def test_a_file_that_is_not_toml_is_named(file: Path, content: str) -> None:
    """Before minutes of set-up."""
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(Problem, match=str(file)):
        read({"TRITON_GATEWAY_CONFIG_FILE": str(file)})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the variable that names it."""
    with pytest.raises(Problem, match=r"nowhere\.toml") as caught:
        read({"TRITON_GATEWAY_CONFIG_FILE": str(tmp_path / "nowhere.toml")})
    assert "TRITON_GATEWAY_CONFIG_FILE" in caught.value.fix


@pytest.mark.parametrize("value", ['"many"', "0", "65536", "true", "-1", "1.5"])
def test_what_is_no_number_is_named(file: Path, value: str) -> None:
    """With the place where it stands."""
    file.write_text(f"port = {value}")
    with pytest.raises(Problem, match=f"port in {file}"):
        read({"TRITON_GATEWAY_CONFIG_FILE": str(file)}).number("port", most=65535)
    with pytest.raises(Problem, match="TRITON_GATEWAY_PORT"):
        read({"TRITON_GATEWAY_PORT": "tcp://10.0.0.1:80"}).number("port", most=65535)


def test_what_is_no_text_is_named(file: Path) -> None:
    """A state_dir that is a number, say."""
    file.write_text("state_dir = 5")
    with pytest.raises(Problem, match=f"state_dir in {file} is 5"):
        read({"TRITON_GATEWAY_CONFIG_FILE": str(file)}).state_dir  # noqa: B018 - reading it is the test

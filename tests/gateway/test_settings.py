"""Settings: where they come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import ENV_PREFIX, Settings


def test_defaults_suit_a_laptop() -> None:
    """This machine only, and the Triton beside it."""
    settings = Settings()
    assert (settings.host, settings.triton_urls, settings.api_keys) == ("127.0.0.1", ("127.0.0.1:8001",), ())


def test_environment_wins_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And arguments over both; lists are separated by commas."""
    file = tmp_path / "gateway.toml"
    file.write_text('port = 1\nworkers = 2\nmax_queued = 3\ntriton_urls = ["a:1", "b:2"]\n')
    monkeypatch.setenv(f"{ENV_PREFIX}CONFIG_FILE", str(file))
    monkeypatch.setenv(f"{ENV_PREFIX}WORKERS", "4")
    monkeypatch.setenv(f"{ENV_PREFIX}REQUIRED_MODELS", " a, b ,")
    settings = Settings(max_queued=5)
    assert (settings.port, settings.workers, settings.max_queued) == (1, 4, 5)
    assert settings.triton_urls == ("a:1", "b:2")
    assert settings.required_models == ("a", "b")


def test_unknown_name_in_file_is_refused(tmp_path: Path) -> None:
    """A misspelt limit is no limit."""
    file = tmp_path / "gateway.toml"
    file.write_text("max_queud = 3\n")
    with pytest.raises(ValidationError, match="max_queud"):
        Settings(config_file=file)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """It may be the one with the keys."""
    with pytest.raises(ValueError, match="there is no file"):
        Settings(config_file=tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70000},
        {"workers": 0},
        {"triton_urls": ""},
        {"max_in_flight": 0},
        {"stall_timeout_s": 0},
        {"log_level": "loud"},
    ],
    ids=str,
)
def test_senseless_value_is_refused(wrong: dict[str, object]) -> None:
    """At the start, not at the first request."""
    with pytest.raises(ValidationError):
        Settings(**wrong)  # pyright: ignore[reportArgumentType]


def test_keys_are_not_shown() -> None:
    """Settings may be printed."""
    assert "sk-secret" not in repr(Settings(api_keys=("sk-secret",)))


def test_settings_do_not_change() -> None:
    """They are read once."""
    with pytest.raises(ValidationError):
        Settings().port = 5  # pyright: ignore[reportAttributeAccessIssue]


def test_aliases_are_written_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs in the environment, a table in the file."""
    file = tmp_path / "gateway.toml"
    file.write_text('[aliases]\n"gpt-4o" = "toy"\n')
    assert Settings(config_file=file).aliases == {"gpt-4o": "toy"}
    monkeypatch.setenv(f"{ENV_PREFIX}ALIASES", " gpt-4o = toy, b=c ,")
    assert Settings(config_file=file).aliases == {"gpt-4o": "toy", "b": "c"}


KEY = {"name": "ann", "key": "sk-ann"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"aliases": {"a": "b", "b": "c"}}, "'a' stands for 'b', which is an alias itself"),
        ({"aliases": {"a": "a"}}, "'a' stands for 'a'"),
        ({"aliases": "a"}, "'a=': an alias is written `alias=model`"),
        ({"keys": [{**KEY, "models": []}]}, "an empty list would let it use nothing"),
        ({"keys": [{**KEY, "models": ["a*b"]}]}, "'a\\*b' is neither a name nor the beginning of one"),
        ({"keys": [{**KEY, "model": ["a"]}]}, "Extra inputs are not permitted"),
        ({"keys": [KEY, KEY]}, "more than one key is named 'ann'"),
        ({"keys": [{**KEY, "name": "ann\n"}]}, "should match pattern"),
        ({"keys": [{**KEY, "requests_per_minute": 0}]}, "greater than or equal to 1"),
        ({"workers": 2, "requests_per_minute": 5}, "2 workers would let in 2 times as much"),
        ({"workers": 2, "keys": [{**KEY, "tokens_per_minute": 5}]}, "2 workers would let in 2 times as much"),
    ],
    ids=str,
)
def test_mistake_in_access_is_named(wrong: dict[str, object], said: str) -> None:
    """With what to do about it."""
    with pytest.raises(ValidationError, match=said):
        Settings(**wrong)  # pyright: ignore[reportArgumentType]


def test_key_with_rights_is_not_shown() -> None:
    """Nor in what is printed of a wrong one."""
    assert "sk-ann" not in repr(Settings(keys=(KEY,)))  # pyright: ignore[reportArgumentType]


def test_largest_image_fits_a_body() -> None:
    """By default: in base64, with room for the rest of the request."""
    settings = Settings()
    assert settings.max_image_bytes * 4 / 3 + 1024 * 1024 < settings.max_body_bytes

"""What is wrong with the settings; tests/gateway/test_main.py has more of it, as the program says it."""

from __future__ import annotations

import pytest

from gateway.mistakes import check_environment, what_is_wrong
from gateway.settings import ENV_PREFIX, Settings


def test_each_mistake_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable, and the name that it has in the file."""
    monkeypatch.setenv(f"{ENV_PREFIX}PORT", "many")
    monkeypatch.setenv(f"{ENV_PREFIX}WORKERS", "0")
    with pytest.raises(ValueError, match="port") as caught:
        Settings()
    first, second = what_is_wrong(caught.value)
    assert first.startswith("TRITON_GATEWAY_PORT (or port in the file): Input should be a valid integer")
    assert second.startswith("TRITON_GATEWAY_WORKERS (or workers in the file): ")


def test_another_error_is_its_own_words() -> None:
    """A file that is not there, say."""
    assert what_is_wrong(ValueError("there is no file x.toml")) == ["there is no file x.toml"]


def test_variables_of_others_are_no_mistakes() -> None:
    """Nor is one of ours in small letters."""
    check_environment({"PORT": "1", "triton_gateway_port": "8000"})
    with pytest.raises(ValueError, match="did you mean TRITON_GATEWAY_PORT"):
        check_environment({"TRITON_GATEWAY_PORTS": "8000"})

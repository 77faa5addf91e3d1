"""The few settings of the gateway that the command line needs itself: from the environment, then from the settings file.

Standard library only. `gateway/settings.py` has all settings, and judges them when the gateway starts.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from gateway import defaults
from gateway.cli.errors import Problem

PREFIX: Final = "TRITON_GATEWAY_"
_CONFIG_FILE: Final = f"{PREFIX}CONFIG_FILE"
_NEEDED: Final = ("host", "port", "workers", "state_dir", "triton_urls")


@dataclass(frozen=True)
class Given:
    """What is set, by name, each with the place where it stands. None, or nothing, stands for what is set nowhere."""

    values: Mapping[str, tuple[Any, str]]

    def text(self, name: str) -> str | None:
        """Raises a Problem for what is no text."""
        value, place = self.values.get(name, (None, ""))
        if value is None or isinstance(value, str):
            return value or None
        raise Problem(f"{place} is {value!r}, which is no text.", "write it in quotes.")

    def number(self, name: str, *, most: int) -> int | None:
        """A number from 1 on. Raises a Problem for what is none."""
        value, place = self.values.get(name, (None, ""))
        if value is None:
            return None
        written = str(value).strip()
        if isinstance(value, bool) or not (written.isascii() and written.isdecimal() and 1 <= int(written) <= most):
            raise Problem(f"{place} is {value!r}, which is no number from 1 to {most}.", "correct it.")
        return int(written)

    def texts(self, name: str) -> list[str]:
        """A list, or a text with commas."""
        value, _ = self.values.get(name, ("", ""))
        parts = cast("list[object]", value) if isinstance(value, list) else str(value).split(",")
        return [text for part in parts if (text := str(part).strip())]

    @property
    def state_dir(self) -> Path:
        """The folder of what is wanted of the models, absolute."""
        return Path(self.text("state_dir") or defaults.state_dir()).absolute()


def read(environment: Mapping[str, str]) -> Given:
    """Raises a Problem for a settings file that can't be read."""
    variables = {name.upper(): value for name, value in environment.items()}
    file = variables.get(_CONFIG_FILE)
    written = _content(Path(file)) if file else {}
    found: dict[str, tuple[Any, str]] = {
        name: (written[name], f"{name} in {file}") for name in _NEEDED if name in written
    }
    for name in _NEEDED:
        variable = PREFIX + name.upper()
        if variable in variables:
            found[name] = (variables[variable], variable)
    return Given(found)


def _content(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(
            f"The settings file {file} can't be read: {error.strerror}.", f"correct {_CONFIG_FILE}, or the file."
        ) from error
    except ValueError as error:
        raise Problem(f"The settings file {file} is not TOML: {error}.", "correct it.") from error

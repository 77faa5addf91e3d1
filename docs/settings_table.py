"""Writes docs/settings.md from gateway/settings.py: `make docs`. A test fails when the file is stale."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway.settings import ENV_PREFIX, KeySettings, Settings

TARGET = Path(__file__).with_name("settings.md")

INTRODUCTION = f"""\
# Settings

Of the gateway, for `triton-gateway serve` and `up`. An environment variable has `{ENV_PREFIX}` before the name, in
capitals (`{ENV_PREFIX}MAX_IN_FLIGHT=64`); the TOML file that `--config` or `{ENV_PREFIX}CONFIG_FILE` names has the
name as it stands here (`max_in_flight = 64`). Options of the command line win, and then the environment. Relative paths
begin where the command was started. Made by `make docs` from `gateway/settings.py`.

"""

KEYS = """
## Keys with rights of their own

Each is a table `[[keys]]` in the file. More on keys, models and limits: [access.md](access.md).

"""


def table() -> str:
    """The page."""
    return INTRODUCTION + _rows(Settings) + KEYS + _rows(KeySettings)


def _rows(settings: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_default(field.default)} | {field.description} |"
        for name, field in settings.model_fields.items()
    ]
    return "\n".join(["| name | default | meaning |", "| --- | --- | --- |", *rows]) + "\n"


def _default(value: object) -> str:
    if value is None or value == () or value is PydanticUndefined:
        return ""
    text = ",".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)
    return f"`{text}`"


if __name__ == "__main__":
    TARGET.write_text(table(), encoding="utf-8")

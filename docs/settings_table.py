"""Writes docs/settings.md from gateway/settings.py: `make docs`. A test fails when the file is stale."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from pydantic_core import PydanticUndefined

from gateway.settings import ENV_PREFIX, Settings

TARGET = Path(__file__).with_name("settings.md")

INTRODUCTION = f"""\
# Settings

Of the gateway, for `triton-gateway serve` and `up`. An environment variable has `{ENV_PREFIX}` before the name, in
capitals (`{ENV_PREFIX}MAX_IN_FLIGHT=64`); the TOML file that `--config` or `{ENV_PREFIX}CONFIG_FILE` names has the
name as it stands here (`max_in_flight = 64`). The environment wins. Made by `make docs` from `gateway/settings.py`.

| name | default | meaning |
| --- | --- | --- |
"""


def table() -> str:
    """The page."""
    rows = [
        f"| `{name}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return INTRODUCTION + "\n".join(rows) + "\n"


def _default(value: object) -> str:
    if value is None or value == () or value is PydanticUndefined:
        return ""
    text = ",".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)
    return f"`{text}`"


if __name__ == "__main__":
    TARGET.write_text(table(), encoding="utf-8")

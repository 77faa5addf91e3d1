"""Addresses and numbers that are used unless they are set: by the settings and by the command line, which can't
import the settings because it runs before their libraries are installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
PORT: Final = 8000
WORKERS: Final = 1
TRITON_GRPC_PORT: Final = 8001
TRITON_METRICS_PORT: Final = 8002
TRITON_URL: Final = f"{HOST}:{TRITON_GRPC_PORT}"


def state_dir() -> Path:
    """Where state that outlives a run lies: https://specifications.freedesktop.org/basedir-spec/latest/."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path("~/.local/state").expanduser()) / "triton-gateway"

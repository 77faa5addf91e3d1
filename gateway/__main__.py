"""`python -m gateway`: read the settings, run the server."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from gateway.limits.callers import known_keys
from gateway.server.run import run
from gateway.settings import ENV_PREFIX, Settings, check_environment


def main() -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit status: 2 when the settings are wrong."""
    try:
        check_environment(os.environ)
        settings = Settings()
        known_keys(settings)  # before workers are started that would fail on it
    except ValidationError as error:
        for problem in error.errors():
            sys.stderr.write(f"{_place(problem['loc'])}{problem['msg'].removeprefix('Value error, ')}\n")
        return 2
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="triton-gateway-") as folder:
        # The workers are processes of their own and read the environment.
        runtime = settings.runtime_dir or Path(folder)
        os.environ[f"{ENV_PREFIX}RUNTIME_DIR"] = str(runtime)
        if settings.workers > 1:
            metrics_folder = runtime / "metrics"
            metrics_folder.mkdir(parents=True, exist_ok=True)
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder)
        run(settings)
    return 0


def _place(location: tuple[int | str, ...]) -> str:
    """Where the mistake is, as it is written there: `TRITON_GATEWAY_KEYS (or keys[0].models in the file): `."""
    if not location:
        return ""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    return f"{ENV_PREFIX}{str(location[0]).upper()} (or {path} in the file): "


if __name__ == "__main__":
    sys.exit(main())

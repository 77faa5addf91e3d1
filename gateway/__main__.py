"""`python -m gateway`: read the settings, run the server."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from gateway.limits.callers import known_keys
from gateway.mistakes import check_environment, what_is_wrong
from gateway.prompting.images.certificates import trusted
from gateway.settings import ENV_PREFIX, Settings

_METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


def main() -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit status: 2 when the settings are wrong."""
    # prometheus_client reads it when it is imported. An inherited value belongs to another program.
    os.environ.pop(_METRICS_FOLDER, None)
    try:
        check_environment(os.environ)
        settings = Settings()
        _check(settings)  # before workers are started that would fail on it
        _serve(settings)
    except ValueError as error:
        sys.stderr.writelines(f"{line}\n" for line in what_is_wrong(error))
        return 2
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _check(settings: Settings) -> None:
    known_keys(settings)
    if settings.image_hosts:
        trusted(os.environ)


def _serve(settings: Settings) -> None:
    from gateway.server.run import run

    with _runtime_folder(settings) as runtime:
        # The workers are processes of their own and read the environment.
        os.environ[f"{ENV_PREFIX}RUNTIME_DIR"] = str(runtime)
        if settings.workers > 1:
            os.environ[_METRICS_FOLDER] = str(runtime / "metrics")
        run(settings)


@contextmanager
def _runtime_folder(settings: Settings) -> Generator[Path]:
    """The folder that the workers share, writable; one that is made here is removed at the end."""
    with ExitStack() as stack:
        try:
            folder = settings.runtime_dir or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="triton-gateway-"))
            )
            (folder / "metrics").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"the gateway can't write its folder for health and metrics ({error}); name a writable one: "
                f"TMPDIR=…, or {ENV_PREFIX}RUNTIME_DIR=…"
            ) from error
        yield folder


if __name__ == "__main__":
    sys.exit(main())

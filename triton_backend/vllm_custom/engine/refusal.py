"""Finds out why an engine did not start.

vLLM's processes write the reason into the log, and the stub only learns "Failed core proc(s): {}". So their error lines go
into a file as well, by vLLM's own setting for its log, and the last one that names an exception is the reason.
"""

from __future__ import annotations

import copy
import json
import os
import re
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ..errors import Unavailable

VARIABLE = "VLLM_LOGGING_CONFIG_PATH"
NAME = "vllm_custom_errors"
# The last line of a traceback, which may have a prefix of vLLM's: "ValueError: Free memory on device …".
REASON = re.compile(r"^(?:\S+ +)*?((?:\w+\.)*\w*(?:Error|Exception): .+)$", re.MULTILINE)
# What says only that something else has failed.
EMPTY = ("Failed core proc", "See root cause above", "See stack trace", "background process")


class StartLog:
    """The error lines of the engines of one process. `folder` is removed by `close`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vllm_custom-log-")
        self._errors = Path(self._folder.name) / "errors.log"

    def begin(self, logging_config: Mapping[str, Any], environment: MutableMapping[str, str]) -> None:
        """Have the processes that start from now on write their errors here too; an operator's own setting is kept."""
        config = Path(self._folder.name) / "logging.json"
        if environment.get(VARIABLE, str(config)) != str(config) or not logging_config.get("loggers"):
            return
        self._errors.unlink(missing_ok=True)
        config.write_text(json.dumps(with_errors(logging_config, self._errors)), encoding="utf-8")
        environment[VARIABLE] = str(config)

    def explain(self, error: Exception) -> Exception:
        """The error to raise for a failed start: with the reason, if vLLM's own error has none."""
        if not any(mark in str(error) for mark in EMPTY) or not self._errors.exists():
            return error
        found = reason(self._errors.read_text(encoding="utf-8", errors="replace"))
        return error if found is None else Unavailable(f"the engine did not start: {found}")

    def close(self) -> None:
        if os.environ.get(VARIABLE, "").startswith(self._folder.name):
            del os.environ[VARIABLE]
        self._folder.cleanup()


def with_errors(logging_config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """vLLM's configuration of its log, with a file for the errors."""
    config = copy.deepcopy(dict(logging_config))
    handler = {"class": "logging.FileHandler", "filename": str(path), "level": "ERROR", "delay": True}
    config["handlers"] = {**config.get("handlers", {}), NAME: handler}
    for logger in config["loggers"].values():
        logger["handlers"] = [*logger.get("handlers", ()), NAME]
    return config


def reason(text: str) -> str | None:
    """The last exception in the text that says something; None if there is none."""
    found = [line for line in REASON.findall(text) if not any(mark in line for mark in EMPTY)]
    return found[-1].strip() if found else None

"""Finds out why an engine did not start.

vLLM's processes write the reason into the log, and the stub only learns "Failed core proc(s): {}". So their error lines go
to this process as well, by vLLM's own setting for its log, and the last one that names an exception is the reason.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from ..errors import Unavailable

VARIABLE = "VLLM_LOGGING_CONFIG_PATH"
# With 0, vLLM configures no log, and refuses to start if it is given a configuration.
SWITCH = "VLLM_CONFIGURE_LOGGING"
NAME = "vllm_custom_errors"
# The last line of a traceback, which may have a prefix of vLLM's: "ValueError: Free memory on device …".
REASON = re.compile(r"^(?:\S+ +)*?((?:\w+\.)*\w*(?:Error|Exception): .+)$", re.MULTILINE)
# What says only that something else has failed.
EMPTY = ("Failed core proc", "See root cause above", "See stack trace", "background process")


class StartLog:
    """The error lines of the engine processes that start between `begin` and `end`.

    Both files are in memory, and the processes reach them through /proc: whatever kills this process, none is left.
    """

    def __init__(self) -> None:
        self._config = os.memfd_create("vllm_custom-logging")
        self._errors = os.memfd_create(NAME)

    def begin(
        self, logging_config: Mapping[str, Any], arguments: Mapping[str, Any], environment: MutableMapping[str, str]
    ) -> None:
        """Have the processes of an engine with these arguments write their errors here too. An operator's own setting is
        kept; and Ray copies vLLM's variables to other hosts, where a path of this one would stop the engine."""
        if VARIABLE in environment or environment.get(SWITCH) == "0" or not logging_config.get("loggers"):
            return
        if "ray" in (arguments.get("distributed_executor_backend"), arguments.get("data_parallel_backend")):
            return
        os.write(self._config, json.dumps(with_errors(logging_config, _path(self._errors))).encode())
        environment[VARIABLE] = _path(self._config)

    def explain(self, error: Exception) -> Exception:
        """The error to raise for a failed start: with the reason, if vLLM's own error has none."""
        if not any(mark in str(error) for mark in EMPTY):
            return error
        found = reason(_read(self._errors))
        return error if found is None else Unavailable(f"the engine did not start: {found}")

    def end(self) -> None:
        """Forget the errors, and take no more: the engine has started, and nobody would read them."""
        os.ftruncate(self._errors, 0)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._errors, inheritable=False)
        os.close(nothing)

    def close(self, environment: MutableMapping[str, str]) -> None:
        """Call it when the engine's processes have ended."""
        if environment.get(VARIABLE) == _path(self._config):
            del environment[VARIABLE]
        os.close(self._config)
        os.close(self._errors)


def _path(descriptor: int) -> str:
    """The name by which other processes of this user can open what this process has open."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _read(descriptor: int) -> str:
    with open(_path(descriptor), encoding="utf-8", errors="replace") as file:
        return file.read()


def with_errors(logging_config: Mapping[str, Any], path: str) -> dict[str, Any]:
    """vLLM's configuration of its log, with a file for the errors."""
    config = copy.deepcopy(dict(logging_config))
    handler = {"class": "logging.FileHandler", "filename": path, "level": "ERROR", "delay": True}
    config["handlers"] = {**config.get("handlers", {}), NAME: handler}
    for logger in config["loggers"].values():
        logger["handlers"] = [*logger.get("handlers", ()), NAME]
    return config


def reason(text: str) -> str | None:
    """The last exception in the text that says something; None if there is none."""
    found = [line for line in REASON.findall(text) if not any(mark in line for mark in EMPTY)]
    return found[-1].strip() if found else None

"""What is wrong with the settings, in words, each with the place where it is written."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping

from pydantic import ValidationError

from gateway.settings import ENV_PREFIX, Settings


def what_is_wrong(error: ValueError) -> list[str]:
    """A line for each mistake that making the settings has found."""
    if not isinstance(error, ValidationError):
        return [str(error)]
    return [f"{_place(each['loc'])}{each['msg'].removeprefix('Value error, ')}" for each in error.errors()]


def _place(location: tuple[int | str, ...]) -> str:
    """Where the mistake is, as it is written there: `TRITON_GATEWAY_KEYS (or keys[0].models in gateway.toml): `."""
    if not location:
        return ""
    file = os.environ.get(f"{ENV_PREFIX}CONFIG_FILE") or "the file"
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    return f"{ENV_PREFIX}{str(location[0]).upper()} (or {path} in {file}): "


def check_environment(environment: Mapping[str, str]) -> None:
    """Raises ValueError for a variable that looks like a setting but is none, and names the setting that may be meant."""
    if f"{ENV_PREFIX}SERVICE_HOST" in environment:
        raise ValueError(
            f"Kubernetes has set {ENV_PREFIX}SERVICE_HOST, {ENV_PREFIX}PORT and others for a service named triton-gateway;"
            " write `enableServiceLinks: false` into the pod's specification"
        )
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in environment:
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            similar = difflib.get_close_matches(name.upper(), known, n=1)
            advice = f"; did you mean {similar[0]}?" if similar else ";"
            raise ValueError(f"{name} is no setting of the gateway{advice} docs/settings.md lists all")

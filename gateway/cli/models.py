"""`triton-gateway models`: every model of a Triton, and why it is or is not served."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import defaults
from gateway.cli.console import say
from gateway.cli.errors import Problem
from gateway.cli.layout import Layout
from gateway.cli.serve import run_module
from gateway.cli.settings import read
from gateway.cli.supervise.endpoint import read_published

_LONGEST_S = 60.0
_WRONG_SETTING = 2
"""Exit status of the inspection for an address or a setting that it can't use."""


@dataclass(frozen=True)
class ListedModel:
    """One model of one Triton; `kind` is None if the gateway does not serve it, and `reason` says why. `abilities`: what it
    can be asked for, such as `chat` or `embed`."""

    triton: str
    name: str
    version: str
    kind: str | None
    state: str
    reason: str
    abilities: Sequence[str] = ()


def models(layout: Layout, triton: str | None) -> None:
    """Print a line for each model. Raises a Problem if no Triton answers."""
    listed = ask(layout, triton)
    if not listed:
        say("There are no models in Triton's repositories.")
    for line in lines(listed):
        say(line)


def ask(layout: Layout, triton: str | None) -> list[ListedModel]:
    """The models of the Tritons at `triton` or, without it, of those that the environment names, of the one that `up` runs
    here, of those that the settings file names, or of the default one. Raises a Problem if one of them does not answer.
    """
    named = triton or os.environ.get("TRITON_GATEWAY_TRITON_URLS")
    if named:
        return ask_at(layout, [address.strip() for address in named.split(",")], os.environ)
    if running := read_published(layout.running):
        target = running.settings["TRITON_GATEWAY_TRITON_URLS"]
        return ask_at(layout, [target], {**os.environ, **running.settings}, repositories=running.repositories)
    return ask_at(layout, read(os.environ).texts("triton_urls") or [defaults.TRITON_URL], os.environ)


def ask_at(
    layout: Layout,
    addresses: Sequence[str],
    settings: Mapping[str, str],
    *,
    repositories: Sequence[str] = (),
    within_s: float = _LONGEST_S,
) -> list[ListedModel]:
    """The models of these Tritons, asked by a gateway with these settings. Raises a Problem if one does not answer.

    `repositories` are theirs, where `up` has models loaded: what lies there may say why one is not.
    """
    arguments = [*addresses, *(["--", *repositories] if repositories else [])]
    try:
        asked = run_module(layout, "gateway.inspection", *arguments, settings=settings, timeout_s=within_s)
    except subprocess.TimeoutExpired:
        raise Problem(
            f"Triton at {', '.join(addresses)} has not answered for {within_s:.0f} s.", "look at Triton's log."
        ) from None
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or ["the inspection failed without a word"]
        if asked.returncode == _WRONG_SETTING:
            raise Problem(said[0], "correct it.")
        raise Problem(said[-1], "name its gRPC address: --triton HOST:PORT. `make up` starts one on this machine.")
    found: list[dict[str, Any]] = json.loads(asked.stdout)
    return [ListedModel(**model) for model in found]


def lines(listed: Sequence[ListedModel]) -> list[str]:
    """The table, a line for each model: name, version, kind or `not served`, state, and the reason if there is one."""
    rows = [(model.name, model.version, model.kind or "not served", model.state) for model in listed]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), _one_line(model.reason)]
        ).rstrip()
        for row, model in zip(rows, listed, strict=True)
    ]


def _one_line(reason: str) -> str:
    """A reason of Triton's may be a whole traceback."""
    return " ".join(reason.split())

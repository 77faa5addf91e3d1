"""`python -m gateway.inspection HOST:PORT … [-- FOLDER …]`: every model of these Tritons, and why it is or is not served, as
JSON. The folders are their model repositories, where a reconciler has models loaded.

It runs in the gateway's environment, for the commands `models` and `doctor`, which themselves need no library.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gateway.addresses import triton_target
from gateway.errors import GatewayError
from gateway.mistakes import what_is_wrong
from gateway.models.holdings import UNLOADED_REASONS
from gateway.models.loader import ModelLoader
from gateway.models.served import ModelNotServable
from gateway.repository.folders import find_models
from gateway.repository.wanted import read_wanted
from gateway.settings import Settings
from gateway.triton.client import RepositoryModel, TritonClient
from gateway.triton.discovery import ASSETS, discover


@dataclass(frozen=True, slots=True)
class Inspected:
    """One model of one Triton. `state` and `reason` are Triton's, unless the gateway has a reason of its own not to serve
    it; `kind` is None where it is not served. `abilities`: what it can be asked for, see `ServedModel`."""

    triton: str
    name: str
    version: str
    kind: str | None
    state: str
    reason: str
    abilities: tuple[str, ...] = ()


async def inspect(address: str) -> list[Inspected]:
    """The models of one Triton, by name. Raises GatewayError when it can't be asked."""
    settings = Settings()
    client = TritonClient(
        address,
        sessions=False,
        by_proxy=settings.triton_by_proxy,
        repository_secret=settings.triton_repository_secret,
    )
    try:
        loader = ModelLoader(None)
        models = sorted(await client.repository_index(), key=lambda model: (model.name, model.version))
        return [await _inspected(client, loader, model) for model in models]
    finally:
        await client.close()


async def _inspected(client: TritonClient, loader: ModelLoader, model: RepositoryModel) -> Inspected:
    found = Inspected(client.address, model.name, model.version, None, model.state or "UNLOADED", model.reason)
    return await _read(client, loader, found) if model.is_ready else found


async def _read(client: TritonClient, loader: ModelLoader, model: Inspected) -> Inspected:
    """With the kind of a model that Triton has ready, or why the gateway does not serve it."""
    try:
        discovered = await discover(client, model.name)
        if discovered is None:
            return replace(model, reason="it has neither the input `request` nor the parameter `openai_task`")
        if discovered.task == ASSETS:
            return replace(model, kind=ASSETS, reason="")
        served = await loader.load(client, discovered)
        return replace(model, kind=served.kind, reason="", abilities=tuple(sorted(served.abilities)))
    except (GatewayError, ModelNotServable) as error:
        return replace(model, reason=str(error))


def explained(models: Sequence[Inspected], repositories: Sequence[Path], state_dir: Path) -> list[Inspected]:
    """With the reason why the reconciler of these repositories has not had a model loaded, where Triton knows none."""
    try:
        folders, wanted = find_models(repositories), read_wanted(state_dir)
    except (OSError, ValueError):
        return list(models)  # the reconciler tells of it
    reasons = {folder.name: folder.flaw for folder in folders if folder.flaw}
    unwanted = [folder.name for folder in folders if not wanted.is_wanted(folder.path)]
    reasons |= {name: f"unloaded, until `triton-gateway load {name}`" for name in unwanted}
    return [
        replace(model, reason=reasons.get(model.name, model.reason))
        if model.kind is None and model.reason in UNLOADED_REASONS
        else model
        for model in models
    ]


async def _main(arguments: Sequence[str]) -> int:
    models: list[Inspected] = []
    end = arguments.index("--") if "--" in arguments else len(arguments)
    addresses, repositories = arguments[:end], [Path(folder) for folder in arguments[end + 1 :]]
    for address in addresses:
        try:
            models += await inspect(triton_target(address))
        except ValueError as error:
            sys.stderr.writelines(f"{line}\n" for line in what_is_wrong(error))
            return 2
        except GatewayError:
            sys.stderr.write(f"no Triton answers by gRPC at {address}\n")
            return 1
    if repositories:
        models = explained(models, repositories, Settings().state_dir)
    json.dump([asdict(model) for model in models], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))

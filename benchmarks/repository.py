"""A model repository for one run: the committed models with some things changed, or models with the replay engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.system import RunLayout

CHAT_MODEL = "smollm2-135m-instruct"
EMBEDDING_MODEL = "all-minilm-l6-v2"
_ENVIRONMENTS = "$$TRITON_MODEL_DIRECTORY/../../.cache/envs"


def add_replay(
    layout: RunLayout,
    name: str,
    script: Sequence[dict[str, Any]],
    *,
    backend: str = "vllm_custom",
    environment: Path | None = None,
    **keys: Any,
) -> None:
    """A model of the replay engine; without an environment it has that of its backend. `keys` are model.json's."""
    lines = [f'backend: "{backend}"', "instance_group [ { kind: KIND_MODEL count: 1 } ]"]
    if environment is not None:
        lines.append(_parameter("EXECUTION_ENV_PATH", str(environment)))
    version = layout.model_repository / name / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text("\n".join(lines) + "\n")
    weights = layout.models / CHAT_MODEL
    document = {"engine": "replay", "model": str(weights), "script": list(script), **keys}
    (version / "model.json").write_text(json.dumps(document))


def add_chat_model(
    layout: RunLayout, *, environment: Path | None = None, name: str = CHAT_MODEL, **changes: Any
) -> None:
    """The committed language model on the real vLLM; `changes` are engine arguments, and the object `vllm_custom`."""
    source = layout.root / "model_repository" / CHAT_MODEL
    version = layout.model_repository / name / "1"
    version.mkdir(parents=True)
    config = _with_environments(layout, (source / "config.pbtxt").read_text())
    if environment is not None:
        config = config.replace(str(layout.environment("vllm_custom").resolve()), str(environment))
    (version.parent / "config.pbtxt").write_text(config)
    document = {**json.loads((source / "1" / "model.json").read_text()), **changes}
    (version / "model.json").write_text(json.dumps({**document, "model": str(layout.models / CHAT_MODEL)}))


def add_embedder(layout: RunLayout, parameters: Mapping[str, str] | None = None) -> None:
    """The committed embedder, and the file server that tells the gateway its tokenizer; `parameters` of config.pbtxt."""
    source = layout.root / "model_repository"
    shutil.copytree(source / "assets", layout.model_repository / "assets", ignore=shutil.ignore_patterns("__pycache__"))
    version = layout.model_repository / EMBEDDING_MODEL / "1"
    version.mkdir(parents=True)
    for name in ("model.pt", "tokenizer.json"):
        (version / name).symlink_to(layout.models / EMBEDDING_MODEL / name)
    config = _with_environments(layout, (source / EMBEDDING_MODEL / "config.pbtxt").read_text())
    for name, value in (parameters or {}).items():
        kept = [line for line in config.splitlines() if f'key: "{name}"' not in line]
        config = "\n".join([*kept, _parameter(name, value), ""])
    (version.parent / "config.pbtxt").write_text(config)


def _with_environments(layout: RunLayout, config: str) -> str:
    """The environments by their own paths: the copy lies elsewhere."""
    return config.replace(_ENVIRONMENTS, str((layout.cache / "envs").resolve()))


def _parameter(name: str, value: str) -> str:
    return f'parameters {{ key: "{name}" value: {{ string_value: "{value}" }} }}'

"""The models of vLLM in model repositories: what their files say of the GPUs that they want.

A file that is not as the backend wants it is left out here. The backend refuses it, and names the mistake.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
"""vLLM loads the first kind of which there are files."""
_SECOND_COPY = "consolidated"
"""The beginning of the name of the same weights in Mistral's own format."""
_KIND_GPU = re.compile(r"kind\s*:\s*KIND_GPU\b")
_GPU = re.compile(r"gpus\s*:\s*\[?\s*(\d+)")
_COMMENT = re.compile(r"#.*")


@dataclass(frozen=True)
class Wanted:
    """One model. `arguments` are those of `model.json`, `config` is the `config.json` beside the weights.

    `weights_gb` is the size of the weights' files, 0 for those that have not been made or downloaded. `device` is the
    number of the GPU that `config.pbtxt` chooses; None where it does not.
    """

    name: str
    arguments: Mapping[str, Any]
    config: Mapping[str, Any]
    weights_gb: float = 0.0
    device: int | None = None


def read(repositories: Sequence[Path]) -> list[Wanted]:
    """The models of these repositories that run on vLLM."""
    newest: dict[Path, Path] = {}
    for repository in repositories:
        for file in sorted(repository.glob("*/*/model.json"), key=_version):
            newest[file.parents[1]] = file
    return [wanted for file in newest.values() for wanted in _read(file)]


def _version(file: Path) -> tuple[str, int]:
    """Triton loads the version with the highest number, unless it is told otherwise; a folder without a number is none."""
    name = file.parent.name
    return file.parts[-3], int(name) if name.isascii() and name.isdigit() else -1


def _read(file: Path) -> Iterator[Wanted]:
    arguments = _document(file)
    if arguments is None or arguments.get("engine", "vllm") != "vllm":
        return
    weights = Path(str(arguments.get("model")).replace("${MODEL}", str(file.parent)))
    config = _document(weights / "config.json") or {}
    yield Wanted(file.parts[-3], arguments, config, _size_gb(weights), _device(file.parents[1] / "config.pbtxt"))


def _document(file: Path) -> Mapping[str, Any] | None:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _size_gb(weights: Path) -> float:
    if weights.is_file():
        return weights.stat().st_size / 1e9
    kinds = ([file for file in weights.glob(kind) if file.is_file()] for kind in _WEIGHTS)
    files = next((found for found in kinds if found), list[Path]())
    whole = [file for file in files if not file.name.startswith(_SECOND_COPY)]
    return sum(file.stat().st_size for file in whole or files) / 1e9


def _device(file: Path) -> int | None:
    try:
        text = _COMMENT.sub("", file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = _GPU.search(text) if _KIND_GPU.search(text) else None
    return int(found[1]) if found else None

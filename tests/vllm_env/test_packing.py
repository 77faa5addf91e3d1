"""Every type and byte order of embeddings, beside vLLM's own conversion."""

from __future__ import annotations

import base64
from typing import get_args

import numpy as np
import pytest

from gateway.packing import ByteOrder, NumberType, packed

ORDERS = ["native", "little", "big"]


def numbers() -> np.ndarray:
    """Every bfloat16 as a float32, with what lies closely above and in the middle: each float8 and each border."""
    bits = (np.arange(2**16, dtype=np.uint32) << 16)[:, None] | np.array([0, 1, 0x7FFF, 0x8000, 0x8001], np.uint32)
    values = bits.view(np.float32)
    return values[np.isfinite(values).all(axis=1)]


@pytest.mark.usefixtures("locked_vllm")  # torch before 2.13 rounds float8 otherwise at its upper end
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"])
def test_bytes_are_those_of_vllm(dtype):
    import torch
    from vllm.utils.serial_utils import tensor2binary

    values = numbers().reshape(1, -1)
    for order in ORDERS:
        [text] = packed(values, dtype, order)
        assert base64.b64decode(text) == tensor2binary(torch.from_numpy(values), dtype, order), order


def test_no_type_is_missing():
    from vllm.utils.serial_utils import EMBED_DTYPES, ENDIANNESS

    assert set(get_args(NumberType)) == set(EMBED_DTYPES)
    assert set(get_args(ByteOrder)) == set(ENDIANNESS)

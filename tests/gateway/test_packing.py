"""Vectors in the types that numpy lacks; tests/vllm_env/test_packing.py compares every number with vLLM's."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from gateway.packing import ByteOrder, NumberType, packed


def bytes_of(value: float, dtype: NumberType, order: ByteOrder = "native") -> str:
    [text] = packed(np.array([[value]], np.float32), dtype, order)
    return base64.b64decode(text).hex()


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float32", 1.0, "0000803f"),
        ("float16", 1.0, "003c"),
        ("float16", 1e9, "007c"),
        ("bfloat16", 1.0, "803f"),
        ("bfloat16", 1.00390625, "803f"),
        ("bfloat16", 1.01171875, "823f"),
        ("fp8_e4m3", 1.0, "38"),
        ("fp8_e4m3", -1.0, "b8"),
        ("fp8_e4m3", 448.0, "7e"),
        ("fp8_e4m3", 464.0, "7e"),
        ("fp8_e4m3", 465.0, "7e"),
        ("fp8_e4m3", 2.0**-10, "00"),
        ("fp8_e5m2", 1.125, "3c"),
        ("fp8_e5m2", 1.375, "3e"),
        ("fp8_e5m2", -1e9, "fc"),
    ],
)
def test_numbers_are_rounded_to_the_nearest(dtype: NumberType, value: float, expected: str) -> None:
    """Of two as near the even one; what is too large becomes infinity, or the largest number in the type that has none."""
    assert bytes_of(value, dtype) == expected


@pytest.mark.parametrize(("dtype", "big"), [("float32", "3f800000"), ("bfloat16", "3f80"), ("fp8_e5m2", "3c")])
def test_bytes_come_in_the_order_asked_for(dtype: NumberType, big: str) -> None:
    """`native` is little-endian, wherever the gateway runs."""
    assert bytes_of(1.0, dtype, "big") == big
    assert bytes_of(1.0, dtype, "little") == bytes_of(1.0, dtype) == bytes.fromhex(big)[::-1].hex()

"""Vectors as base64, in the type and byte order that was asked for; numpy has no type for three of them."""

from __future__ import annotations

import base64
import math
from functools import cache
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

NumberType = Literal["float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"]
ByteOrder = Literal["native", "little", "big"]
Floats = npt.NDArray[np.float32]


def packed(vectors: Floats, dtype: NumberType, order: ByteOrder) -> list[str]:
    """Each vector's bytes in base64. A number that the type can't hold becomes what torch makes of it."""
    numbers = _to_type(vectors, dtype)
    if order == "big":
        numbers = numbers.byteswap()
    return [base64.b64encode(row.tobytes()).decode() for row in numbers]


def _to_type(vectors: Floats, dtype: NumberType) -> npt.NDArray[Any]:
    """Little-endian numbers, or bits of them."""
    if dtype == "float32":
        return vectors.astype("<f4", copy=False)
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return vectors.astype("<f2")
    return _to_bfloat16(vectors) if dtype == "bfloat16" else _to_fp8(vectors, dtype)


def _to_bfloat16(vectors: Floats) -> npt.NDArray[np.uint16]:
    """The upper half of a float32, rounded to nearest, ties to even."""
    bits = vectors.astype("<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


_FP8: Final = {"fp8_e4m3": (4, 3, 0x7E, 0x7E), "fp8_e5m2": (5, 2, 0x7B, 0x7C)}
"""Bits of exponent and fraction, the code of the largest number, and of what is larger: the largest again, or infinity."""


def _to_fp8(vectors: Floats, dtype: str) -> npt.NDArray[np.uint8]:
    """The nearest of the type's numbers, of two as near the one with the even code."""
    *_, overflow = _FP8[dtype]
    magnitudes = np.abs(vectors)
    borders = _borders(dtype)
    above = np.searchsorted(borders, magnitudes, side="right")
    codes = np.where((above & 1) & (borders[np.maximum(above, 1) - 1] == magnitudes), above - 1, above)
    codes = np.where(codes >= len(borders), overflow, codes)
    return (codes | (np.signbit(vectors) << 7)).astype(np.uint8)


@cache
def _borders(dtype: str) -> npt.NDArray[np.float64]:
    """The middle between each number of the type, by its code, and the next; the last is where overflow begins."""
    exponent_bits, fraction_bits, largest, _ = _FP8[dtype]
    values = [_value(code, exponent_bits, fraction_bits) for code in range(largest + 2)]
    return np.array([(low + high) / 2 for low, high in pairwise(values)])


def _value(code: int, exponent_bits: int, fraction_bits: int) -> float:
    """A positive number by its code, as if no code stood for infinity or NaN."""
    exponent, fraction = code >> fraction_bits, code & ((1 << fraction_bits) - 1)
    bias = (1 << (exponent_bits - 1)) - 1
    if exponent == 0:
        return math.ldexp(fraction, 1 - bias - fraction_bits)
    return math.ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits)

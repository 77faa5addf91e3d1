"""Bounds of numbers, lengths and counts, as xgrammar takes them."""

from __future__ import annotations

import pytest
from vllm_custom.engine.schemas.bounds import count_bounds, number_bounds


@pytest.mark.parametrize(
    ("node", "whole", "bounds", "lost"),
    [
        ({"minimum": 1, "maximum": 2}, True, {"minimum": 1, "maximum": 2}, []),
        ({"minimum": 1.5, "maximum": 2.5}, True, {"minimum": 2, "maximum": 2}, []),
        ({"minimum": 1.5, "maximum": 2.5}, False, {"minimum": 1.5, "maximum": 2.5}, []),
        ({"exclusiveMinimum": 1.5}, True, {"minimum": 2}, []),
        ({"exclusiveMinimum": 1.5, "minimum": 4}, True, {"minimum": 4}, []),
        ({"minimum": 1, "exclusiveMinimum": True}, True, {"exclusiveMinimum": 1}, []),
        ({"minimum": 1, "exclusiveMinimum": False}, True, {"minimum": 1}, []),
        ({"maximum": 2**64}, True, {"maximum": 2**53}, []),
        ({"minimum": -(2**64)}, True, {"minimum": -(2**53)}, []),
        ({"minimum": 2**64}, True, {}, ["minimum"]),
        ({"maximum": -1e300}, False, {}, ["maximum"]),
        ({"maximum": 1e300}, False, {"maximum": 1e15}, []),
        ({"minimum": "1"}, True, {"minimum": "1"}, []),
    ],
)
def test_number_bounds(node, whole, bounds, lost):
    """No value outside the written range is let in; where that can't be, the bound is lost."""
    assert number_bounds(node, whole=whole) == lost
    assert node == bounds


def test_count_bounds():
    """2.0 is a whole number in JSON Schema, and a maximum that no text reaches is none."""
    node = {"minLength": 2.0, "maxLength": 2**64, "maxItems": 3, "minItems": "2"}
    count_bounds(node)
    assert node == {"minLength": 2, "maxItems": 3, "minItems": "2"}

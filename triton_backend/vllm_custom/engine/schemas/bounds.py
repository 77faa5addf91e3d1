"""The bounds of numbers, lengths and counts, as xgrammar takes them (pure)."""

from __future__ import annotations

import math
from typing import Any

from .keywords import Schema

# Of lengths and counts: a 32-bit number.
_MOST = 2**31 - 1
# Beyond these the grammar's own arithmetic is not exact. A range that reaches further is cut, one that begins there is lost.
_WHOLE_LIMIT, _LIMIT = 2**53, 1e15

COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")


def count_bounds(node: Schema) -> None:
    """Whole numbers, also where they are written as 2.0; a maximum that nothing reaches is none."""
    for name in COUNTS:
        value = node.get(name)
        if isinstance(value, float) and value.is_integer():
            node[name] = value = int(value)
        if isinstance(value, int) and value > _MOST and name.startswith("max"):
            del node[name]


def number_bounds(node: Schema, *, whole: bool) -> list[str]:
    """Draft 4's boolean bounds become numbers, and those of integers whole. Returns the names of those that are lost."""
    for end in ("Minimum", "Maximum"):
        exclusive = node.get(f"exclusive{end}")
        if isinstance(exclusive, bool):
            del node[f"exclusive{end}"]
            if exclusive and end.lower() in node:
                node[f"exclusive{end}"] = node.pop(end.lower())
    return [
        name for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if _is_lost(node, name, whole)
    ]


def _is_lost(node: Schema, name: str, whole: bool) -> bool:
    value: Any = node.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    is_least = name.endswith("inimum")
    limit = _WHOLE_LIMIT if whole else _LIMIT
    if (value > limit) if is_least else (value < -limit):
        del node[name]
        return True
    if whole and not float(value).is_integer():
        # No integer lies between: the next one inside the range, which is in it.
        node.pop(name)
        name, value = ("minimum", math.ceil(value)) if is_least else ("maximum", math.floor(value))
        value = (max if is_least else min)(value, node.get(name, value))
    inside = max(value, -limit) if is_least else min(value, limit)
    node[name] = int(inside) if whole else inside
    return False

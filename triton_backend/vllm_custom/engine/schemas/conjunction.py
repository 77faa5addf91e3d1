"""Two schemas that both have to hold, as one; and schemas of which no two can hold (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from itertools import combinations
from typing import Any, cast
from urllib.parse import unquote

from .keywords import ASSERTIONS, Schema

_PLAIN = re.compile(r"#(/(\$defs|definitions|properties)/[^/%~]+)*")
# What one of these says depends on the others beside it, so that schemas which both have some can't be put together.
_PROPERTIES = frozenset({"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"})
_ITEMS = frozenset({"items", "prefixItems", "additionalItems", "unevaluatedItems"})


def conjunction(first: Schema, second: Schema) -> Schema | None:
    """One schema that holds where both do; None where it can't be written without `allOf`."""
    ours, theirs = first.keys() & ASSERTIONS, second.keys() & ASSERTIONS
    if not theirs or not ours:
        return {**first, **second}
    if "$ref" in ours | theirs or _depend(ours, theirs):
        return None
    merged = {**first, **second}
    for name in ours & theirs:
        both = _both(name, first[name], second[name])
        if both is None:
            return None
        merged[name] = both
    return merged


def _depend(ours: Set[str], theirs: Set[str]) -> bool:
    if ours & _ITEMS and theirs & _ITEMS:
        return True
    objects = ours & _PROPERTIES, theirs & _PROPERTIES
    return all(objects) and objects != ({"properties"}, {"properties"})


def _both(name: str, ours: Any, theirs: Any) -> Any:
    if ours == theirs:
        return ours
    if name == "required":
        return list(dict.fromkeys([*ours, *theirs]))
    if name == "properties" and not ours.keys() & theirs.keys():
        return {**ours, **theirs}
    if not (isinstance(ours, int | float) and isinstance(theirs, int | float)):
        return None
    if name in ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"):
        return max(ours, theirs)
    if name in ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"):
        return min(ours, theirs)
    return None


def exclude_each_other(branches: Sequence[Any], root: Schema) -> bool:
    """Whether no value satisfies two of them, so that `oneOf` is `anyOf`: they differ in type, in their values, or in the
    value of a property that both require. `root` has what they refer to."""
    resolved = [_resolved(branch, root) for branch in branches]
    return all(_differ(first, second) for first, second in combinations(resolved, 2))


def resolve(reference: Any, root: Schema) -> Any:
    """What a `$ref` within the document points to; None for any other."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    found: Any = root
    for part in unquote(reference).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = cast("dict[str, Any]", found).get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(cast("list[Any]", found)):
            found = cast("list[Any]", found)[int(name)]
        else:
            return None
    return found


def is_plain(reference: Any) -> bool:
    """Whether xgrammar can follow a `$ref`: by names without escapes, to a place that is still there when the rest of the
    schema is written otherwise."""
    return isinstance(reference, str) and _PLAIN.fullmatch(reference) is not None


def _resolved(branch: Any, root: Schema) -> Schema:
    for _ in range(10):
        if not isinstance(branch, dict):
            return {}
        if "$ref" not in branch:
            break
        branch = resolve(cast("Schema", branch)["$ref"], root)
    return cast("Schema", branch)


def _differ(first: Schema, second: Schema) -> bool:
    ours, theirs = _values(first), _values(second)
    if ours is not None and theirs is not None:
        return not any(value in theirs for value in ours)
    types = _types(first), _types(second)
    if types[0] and types[1] and not types[0] & types[1]:
        return True
    for name in {*first.get("required", ())} & {*second.get("required", ())}:
        properties = first.get("properties", {}).get(name), second.get("properties", {}).get(name)
        if all(isinstance(each, dict) for each in properties) and _differ(*properties):
            return all(each == {"object"} for each in types)
    return False


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return cast("list[Any]", values) if isinstance(values, list) else None


def _types(schema: Schema) -> set[str]:
    given = schema.get("type", [])
    types = {given} if isinstance(given, str) else {*cast("list[str]", given)}
    return types | {"integer"} if "number" in types else types

"""Fits a JSON schema to what the engine enforces (pure).

    fit(schema, …) ──► Fitted: the schema for the engine, and the paths of what is lost on the way

Where nothing is lost, whatever the engine generates is valid by the schema as it was given. xgrammar passes over what it
does not know, and over all that stands beside `$ref`, `enum`, `anyOf` or `allOf`, without a word. So what can be said in its
words is said in them here: `allOf` and `anyOf` with what is beside them become one schema, tuples of draft 4 those of today,
an array without `items` has any. The rest is counted as lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from .bounds import count_bounds, number_bounds
from .conjunction import conjunction, exclude_each_other, is_plain, resolve
from .keywords import ASSERTIONS, CHOICES, FAMILIES, FORMAT_PATTERNS, FORMATS, KEPT, NEVER, OBJECT, Schema

# How many schemas may be looked at, and how many characters be added where `anyOf` is written out with what is beside it.
# References that are written out, and each level of `anyOf`, multiply what is below them.
_MOST_STEPS, _MOST_ADDED = 100_000, 1_000_000
# How often `anyOf` is written out in itself: a branch that refers back to it would be without an end.
_MOST_LEVELS = 4
_DEFINITIONS = ("$defs", "definitions")
_MAPS = (*_DEFINITIONS, "properties")
_ONE = ("items", "additionalProperties")
_LISTS = ("prefixItems", *CHOICES)


class Circle(ValueError):
    """A `$ref` leads back to itself; the message is its path."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """`lost`: where the keywords stand that the engine does not enforce, such as `.properties.a.not`."""

    schema: Any
    lost: tuple[str, ...]


def fit(schema: Any, is_pattern: Callable[[str], bool]) -> Fitted:
    """`is_pattern` says whether the engine can use a regular expression. Raises Circle; and TypeError, AttributeError or
    ValueError where the schema is none."""
    fitting = _Fitting(cast("Schema", schema) if isinstance(schema, dict) else {}, is_pattern)
    reduced = fitting.reduce(schema, "")
    return Fitted(_completed(reduced), tuple(dict.fromkeys(fitting.lost)))


class _Fitting:
    def __init__(self, root: Schema, is_pattern: Callable[[str], bool]) -> None:
        self._root = root
        self._is_pattern = is_pattern
        # References that are being written out.
        self._inside: list[Any] = []
        self._steps = self._added = self._level = 0
        self.lost: list[str] = []

    def reduce(self, schema: Any, path: str) -> Any:
        """The schema without what is lost."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise ValueError("it is too large when its references are written out")
        if not isinstance(schema, dict):
            return schema
        given = cast("Schema", schema)
        self._lose_unknown(given, path)
        node = {name: value for name, value in given.items() if name in KEPT and name not in NEVER}
        self._objects(node, given)
        self._forbidden(node, path)
        self._arrays(node, path)
        self._bounds(node, path)
        self._strings(node, path)
        self._children(node, path)
        return self._combined(node, path)

    def _lose(self, path: str, name: str) -> None:
        self.lost.append(f"{path}.{name}")

    def _lose_unknown(self, node: Schema, path: str) -> None:
        for name in node:
            if name in NEVER and not _says_nothing(name, node):
                self._lose(path, name)

    def _children(self, node: Schema, path: str) -> None:
        for name in _MAPS:
            if isinstance(children := node.get(name), dict):
                children = cast("Schema", children)
                node[name] = {key: self.reduce(each, f"{path}.{name}.{key}") for key, each in children.items()}
        for name in _ONE:
            if name in node:
                node[name] = self.reduce(node[name], f"{path}.{name}")
        for name in _LISTS:
            if isinstance(branches := node.get(name), list):
                branches = cast("list[Any]", branches)
                node[name] = [self.reduce(each, f"{path}.{name}[{i}]") for i, each in enumerate(branches)]

    def _objects(self, node: Schema, given: Schema) -> None:
        if (patterns := given.get("patternProperties")) and node.get("additionalProperties") is not True:
            # Which names these allow is lost; what stands under them is allowed for all.
            node["additionalProperties"] = next(iter(patterns.values())) if len(patterns) == 1 else True
        if isinstance(node.get("required"), bool):
            del node["required"]  # draft 3 says it in the property
        rest = node.get("unevaluatedProperties")
        if rest is not None and "additionalProperties" not in node and not node.keys() & {"$ref", *CHOICES}:
            node["additionalProperties"] = node.pop("unevaluatedProperties")

    def _forbidden(self, node: Schema, path: str) -> None:
        """Properties that may not be there: no others may, unless the schema says so."""
        properties = cast("Schema", node.get("properties", {}))
        forbidden = [name for name, each in properties.items() if each is False]
        if forbidden:
            node["properties"] = {name: each for name, each in properties.items() if each is not False}
            for name in forbidden if node.get("additionalProperties", False) is not False else ():
                self._lose(path, f"properties.{name}")

    def _arrays(self, node: Schema, path: str) -> None:
        additional = node.pop("additionalItems", True)
        if isinstance(node.get("items"), list):
            node["prefixItems"], node["items"] = node["items"], additional
        if "unevaluatedItems" in node and "items" not in node and not node.keys() & {"$ref", *CHOICES}:
            node["items"] = node.pop("unevaluatedItems")
        for name in ("unevaluatedItems", "unevaluatedProperties"):
            if node.pop(name, True) is not True:
                self._lose(path, name)
        if node.pop("uniqueItems", False):
            self._lose(path, "uniqueItems")

    def _bounds(self, node: Schema, path: str) -> None:
        count_bounds(node)
        types = _types(node)
        for name in number_bounds(node, whole="integer" in types and "number" not in types):
            self._lose(path, name)

    def _strings(self, node: Schema, path: str) -> None:
        """A pattern excludes a format, and either excludes lengths."""
        if isinstance(pattern := node.get("pattern"), str) and not self._is_pattern(pattern):
            self._drop(node, path, "pattern")
        if "format" in node and _types(node) and "string" not in _types(node):
            del node["format"]  # of numbers, which JSON Schema has none for
        if "format" in node and "pattern" not in node and node["format"] in FORMAT_PATTERNS:
            node["pattern"] = FORMAT_PATTERNS[node.pop("format")]
        if "format" in node and ("pattern" in node or node["format"] not in FORMATS):
            self._drop(node, path, "format")
        if "pattern" in node or "format" in node:
            self._drop(node, path, "minLength", "maxLength")

    def _drop(self, node: Schema, path: str, *names: str) -> None:
        for name in names:
            if name in node:
                del node[name]
                self._lose(path, name)

    def _combined(self, node: Schema, path: str) -> Schema:
        """One of `$ref`, `enum`, `const`, `anyOf` or plain keywords; nothing beside it that would be passed over."""
        node = self._all_of(node, path)
        if "$ref" in node:
            node = self._reference(node, path)
        # Again, now that what was apart stands together.
        self._bounds(node, path)
        self._strings(node, path)
        for name in ("const", "enum"):
            if name in node and not _keeps_digits(node[name]):
                self._drop(node, path, name)
            if name in node:
                return self._values(node, path, name)
        for name in ("anyOf", "oneOf"):
            if name in node:
                return self._any_of(node, path, name)
        self._lose_impossible(node, path)
        return node

    def _all_of(self, node: Schema, path: str) -> Schema:
        branches = node.pop("allOf", [])
        for number, branch in enumerate(branches):
            if branch is True:
                continue
            together = self._together(node, branch)
            if together is None:
                self._lose(path, f"allOf[{number}]")
            else:
                node = together
        return node

    def _together(self, node: Schema, branch: Any) -> Schema | None:
        """Both in one, if need be with their references written out."""
        if not isinstance(branch, dict):
            return None
        branch = cast("Schema", branch)
        if is_plain(branch.get("$ref", "#")) and (both := conjunction(node, branch)) is not None:
            return both
        first, second = self._written_out(node), self._written_out(branch)
        return None if first is None or second is None else conjunction(first, second)

    def _written_out(self, node: Schema) -> Schema | None:
        """With what its reference stands for; None within that itself."""
        if "$ref" not in node:
            return node
        reference = node["$ref"]
        if reference in self._inside:
            return None
        self._inside.append(reference)
        target = self.reduce(resolve(reference, self._root), f".{reference[2:]}".replace("/", "."))
        self._inside.pop()
        if not isinstance(target, dict):
            return None
        rest = {name: value for name, value in node.items() if name != "$ref"}
        meant = {name: value for name, value in cast("Schema", target).items() if name not in _DEFINITIONS}
        return conjunction(rest, meant)

    def _reference(self, node: Schema, path: str) -> Schema:
        reference = node["$ref"]
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            self._drop(node, path, "$ref")
            return node
        self._refuse_circle(reference, path)
        if resolve(reference, self._root) is None:
            raise ValueError(f"{path}.$ref leads nowhere")
        beside = {name: value for name, value in node.items() if name != "$ref"}
        if not beside.keys() & ASSERTIONS and is_plain(reference):
            return node
        if (both := self._together(beside, {"$ref": reference})) is not None:
            return both
        # One that xgrammar can't read is lost where it is in itself.
        self._drop(node, path, *(beside.keys() & ASSERTIONS if is_plain(reference) else ["$ref"]))
        return node

    def _refuse_circle(self, reference: str, path: str) -> None:
        """Of references alone: a circle through a property or an item is a list or a tree."""
        seen, ahead = set[str](), [reference]
        while ahead:
            current = ahead.pop()
            if current == reference and seen:
                raise Circle(f"{path}.$ref")
            if current not in seen:
                seen.add(current)
                ahead += _references(resolve(current, self._root))

    def _values(self, node: Schema, path: str, name: str) -> Schema:
        types = _types(node)
        if name == "enum" and types:
            node["enum"] = [value for value in node["enum"] if _type_of(value) & types]
        if name == "const" and types and not _type_of(node["const"]) & types:
            raise ValueError(f"{path}.const is of another type")
        node.pop("type", None)
        self._drop(node, path, *(node.keys() & ASSERTIONS - {name}))
        return node

    def _any_of(self, node: Schema, path: str, name: str) -> Schema:
        branches = cast("list[Any]", node.pop(name))
        if not branches:
            raise ValueError(f"{path}.{name} is empty")
        if name == "oneOf" and not exclude_each_other(branches, self._root):
            self._lose(path, name)
        beside = {each: value for each, value in node.items() if each not in _DEFINITIONS}
        if beside.keys() & ASSERTIONS:
            self._added += len(json.dumps(beside)) * len(branches)
            may_write = self._added < _MOST_ADDED and self._level < _MOST_LEVELS
            written_out = [self._together(beside, branch) if may_write else None for branch in branches]
            if None in written_out:
                self._drop(node, path, *(beside.keys() & ASSERTIONS))
            else:
                node = {each: node[each] for each in _DEFINITIONS if each in node}
                self._level += 1
                branches = [self._combined(each, path) for each in written_out if each is not None]
                self._level -= 1
        node["anyOf"] = branches
        return node

    def _lose_impossible(self, node: Schema, path: str) -> None:
        """What is required and not allowed: no object has it, and xgrammar would forget that it is required."""
        if node.get("additionalProperties") is False:
            required = cast("list[str]", node.get("required", []))
            known = [name for name in required if name in node.get("properties", {})]
            if len(known) < len(required):
                node["required"] = known
                self._lose(path, "required")


def _keeps_digits(value: Any) -> bool:
    """Whether all integers in it have 64 bits: xgrammar makes others a power of ten."""
    if isinstance(value, list):
        return all(map(_keeps_digits, cast("list[Any]", value)))
    if isinstance(value, dict):
        return all(map(_keeps_digits, cast("Schema", value).values()))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _says_nothing(name: str, node: Schema) -> bool:
    value = node[name]
    if name == "if":
        return not node.keys() & {"then", "else"}
    if name in ("minContains", "maxContains"):
        return "contains" not in node
    return value is False if name == "not" else value is True or value == {}


def _completed(schema: Any) -> Any:
    """With what xgrammar wants to be told: the type, what an array and an object may have that says nothing of it."""
    if isinstance(schema, list):
        return [_completed(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    node = cast("Schema", schema)
    node = {
        name: {key: _completed(each) for key, each in cast("Schema", value).items()}
        if name in _MAPS and isinstance(value, dict)
        else _completed(value)
        if name in (*_ONE, *_LISTS)
        else value
        for name, value in node.items()
    }
    if node.keys() & {"$ref", "enum", "const", *CHOICES}:
        return node
    if "type" not in node and (types := [type_ for type_, names in FAMILIES.items() if node.keys() & names]):
        node["type"] = types[0] if len(types) == 1 else types
    tuple_size = len(cast("list[Any]", node.get("prefixItems", [])))
    if (
        "array" in _types(node)
        and "items" not in node
        and (tuple_size == 0 or cast("int", node.get("minItems", 0)) > tuple_size)
    ):
        node["items"] = True
    if node.keys() & OBJECT:
        _complete_object(node)
    return node


def _complete_object(node: Schema) -> None:
    others = node.get("additionalProperties", True)
    unlisted = [name for name in node.get("required", ()) if name not in node.get("properties", {})]
    if unlisted and others is not False:
        node["properties"] = {**node.get("properties", {}), **dict.fromkeys(unlisted, others)}
    if not node.keys() & {"properties", "additionalProperties"}:
        node["additionalProperties"] = True


def _references(schema: Any) -> list[str]:
    """What a schema stands for by reference."""
    if not isinstance(schema, dict):
        return []
    node = cast("Schema", schema)
    parts = [node, *cast("list[Any]", node.get("allOf", []))]
    found = [cast("Schema", each).get("$ref") for each in parts if isinstance(each, dict)]
    return [each for each in found if isinstance(each, str)]


def _types(node: Schema) -> set[str]:
    given = node.get("type", [])
    return {given} if isinstance(given, str) else {*cast("list[str]", given)}


def _type_of(value: Any) -> set[str]:
    """The types that a value has."""
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return {"integer", "number"}
    names: dict[type, str] = {float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return {names[type(value)]}
